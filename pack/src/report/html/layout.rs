//! Where the nodes of a graph stand: in layers from left to right, so that what needs something stands left of it.
//!
//! Knows numbers only. Every step is bounded by nodes and edges, also where the graph has circles.

use std::collections::{BTreeSet, VecDeque};

/// A graph: how many nodes, and edges from what needs to what is needed.
pub(super) struct Graph {
    pub(super) nodes: usize,
    pub(super) edges: BTreeSet<(usize, usize)>,
}

/// Rounds in which the order within layers gets better.
const ROUNDS: usize = 6;

/// The nodes of every layer, from top to bottom. `last` are those that stand in a layer of their own on the right.
pub(super) fn layers(graph: &Graph, last: &BTreeSet<usize>) -> Vec<Vec<usize>> {
    let depth = depths(graph, last);
    let deepest = depth.iter().copied().max().unwrap_or(0);
    let mut layers: Vec<Vec<usize>> = vec![Vec::new(); deepest + 1];
    for (node, depth) in depth.iter().enumerate() {
        layers[*depth].push(node);
    }
    layers.retain(|layer| !layer.is_empty());
    for round in 0..ROUNDS {
        // From left to right by who needs a node, and back by what it needs.
        let forward = round % 2 == 0;
        let place = places(&layers, graph.nodes);
        for layer in &mut layers {
            let mut keyed: Vec<(f64, usize)> =
                layer.iter().map(|node| (middle(graph, *node, forward, &place), *node)).collect();
            keyed.sort_by(|a, b| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1)));
            *layer = keyed.into_iter().map(|(_, node)| node).collect();
        }
    }
    layers
}

/// The longest way that leads to each node; edges that close a circle do not count.
fn depths(graph: &Graph, last: &BTreeSet<usize>) -> Vec<usize> {
    let mut needed_by: Vec<Vec<usize>> = vec![Vec::new(); graph.nodes];
    let mut open: Vec<usize> = vec![0; graph.nodes];
    for (from, to) in &graph.edges {
        needed_by[*from].push(*to);
        open[*to] += 1;
    }
    let mut depth = vec![0; graph.nodes];
    let mut placed = vec![false; graph.nodes];
    let mut ready: VecDeque<usize> = (0..graph.nodes).filter(|node| open[*node] == 0).collect();
    let mut next = 0;
    loop {
        let Some(node) = ready.pop_front() else {
            // A circle: its first node is taken as it is.
            while next < graph.nodes && placed[next] {
                next += 1;
            }
            if next == graph.nodes {
                break;
            }
            ready.push_back(next);
            continue;
        };
        if std::mem::replace(&mut placed[node], true) {
            continue;
        }
        for to in &needed_by[node] {
            open[*to] = open[*to].saturating_sub(1);
            if !placed[*to] {
                depth[*to] = depth[*to].max(depth[node] + 1);
                if open[*to] == 0 {
                    ready.push_back(*to);
                }
            }
        }
    }
    let end = (0..graph.nodes).filter(|node| !last.contains(node)).map(|node| depth[node]).max().map_or(0, |d| d + 1);
    last.iter().for_each(|node| depth[*node] = end);
    depth
}

/// Where each node stands in its layer, from 0 to 1.
fn places(layers: &[Vec<usize>], nodes: usize) -> Vec<f64> {
    let mut place = vec![0.0; nodes];
    for layer in layers {
        for (at, node) in layer.iter().enumerate() {
            #[expect(clippy::cast_precision_loss, reason = "numbers of nodes are small")]
            let share = (at as f64 + 0.5) / layer.len() as f64;
            place[*node] = share;
        }
    }
    place
}

fn middle(graph: &Graph, node: usize, forward: bool, place: &[f64]) -> f64 {
    let others: Vec<f64> = match forward {
        true => graph.edges.iter().filter(|(_, to)| *to == node).map(|(from, _)| place[*from]).collect(),
        false => graph.edges.range((node, 0)..=(node, usize::MAX)).map(|(_, to)| place[*to]).collect(),
    };
    #[expect(clippy::cast_precision_loss, reason = "numbers of nodes are small")]
    match others.len() {
        0 => place[node],
        count => others.iter().sum::<f64>() / count as f64,
    }
}

/// The edges without those that follow from two or more others. Only for graphs without circles through them is nothing
/// lost; where there is one, the edges of its nodes stay.
pub(super) fn reduced(graph: &Graph) -> BTreeSet<(usize, usize)> {
    let next: Vec<Vec<usize>> = (0..graph.nodes)
        .map(|node| graph.edges.range((node, 0)..=(node, usize::MAX)).map(|(_, to)| *to).collect())
        .collect();
    let reach: Vec<BTreeSet<usize>> = (0..graph.nodes).map(|node| reached(&next, node)).collect();
    let follows = |from: usize, to: usize| {
        next[from].iter().any(|via| *via != to && reach[*via].contains(&to) && !reach[to].contains(via))
    };
    graph.edges.iter().copied().filter(|(from, to)| reach[*to].contains(from) || !follows(*from, *to)).collect()
}

fn reached(next: &[Vec<usize>], from: usize) -> BTreeSet<usize> {
    let mut reached = BTreeSet::new();
    let mut open = next[from].clone();
    while let Some(node) = open.pop() {
        if reached.insert(node) {
            open.extend(&next[node]);
        }
    }
    reached
}

#[cfg(test)]
mod tests {
    use super::*;

    fn graph(nodes: usize, edges: &[(usize, usize)]) -> Graph {
        Graph { nodes, edges: edges.iter().copied().collect() }
    }

    #[test]
    fn what_needs_something_stands_left_of_it() {
        let graph = graph(5, &[(0, 1), (1, 2), (0, 2), (3, 2), (2, 4)]);
        let layers = layers(&graph, &BTreeSet::from([4]));
        let layer = |node: usize| layers.iter().position(|layer| layer.contains(&node)).unwrap();
        assert!(graph.edges.iter().all(|(from, to)| layer(*from) < layer(*to)), "{layers:?}");
        assert_eq!(layers.last(), Some(&vec![4]));
    }

    #[test]
    fn circles_end_and_every_node_is_placed_once() {
        let layers = layers(&graph(4, &[(0, 1), (1, 2), (2, 0), (3, 3)]), &BTreeSet::new());
        let mut nodes: Vec<usize> = layers.concat();
        nodes.sort_unstable();
        assert_eq!(nodes, [0, 1, 2, 3]);
    }

    #[test]
    fn edges_that_follow_from_others_are_left_out() {
        assert_eq!(reduced(&graph(3, &[(0, 1), (1, 2), (0, 2)])), BTreeSet::from([(0, 1), (1, 2)]));
        let circle = graph(2, &[(0, 1), (1, 0)]);
        assert_eq!(reduced(&circle), circle.edges);
    }

    #[test]
    fn edges_cross_less_than_before() {
        let graph = graph(6, &[(0, 5), (1, 4), (2, 3)]);
        let layers = layers(&graph, &BTreeSet::new());
        let order = |node: usize| layers[1].iter().position(|other| *other == node).unwrap();
        let targets: Vec<usize> = layers[0].iter().map(|node| order(5 - node)).collect();
        assert!(targets.is_sorted(), "{layers:?}");
    }

    #[test]
    fn two_hundred_nodes_are_laid_out() {
        let edges: Vec<(usize, usize)> = (1..200).map(|node| (0, node)).chain((1..199).map(|n| (n, n + 1))).collect();
        assert_eq!(reduced(&graph(200, &edges)).len(), 199);
        assert_eq!(layers(&graph(200, &edges), &BTreeSet::new()).concat().len(), 200);
    }
}
