//! Who needs whom: packages of the pack and what they want from a host, drawn in layers, and the same as a list.

use std::collections::{BTreeMap, BTreeSet};

use maud::{Markup, html};

use super::Page;
use super::layout::{self, Graph};
use super::shown::Line;
use super::sizes::cut;
use super::tree::packages;

/// Most nodes that are drawn; a graph with more is a list only.
const MOST_NODES: usize = 300;
/// Most edges that are drawn.
const MOST_EDGES: usize = 3000;
/// Most rows of the list.
const MOST_ROWS: usize = 1000;

const WIDTH: usize = 226;
const HEIGHT: usize = 30;
const BETWEEN_ROWS: usize = 10;
const BETWEEN_LAYERS: usize = 96;
const MARGIN: usize = 12;
/// Characters of a name that fit.
const ROOM: usize = 28;

struct Node {
    label: String,
    title: String,
    class: &'static str,
}

/// The part of the page.
pub(super) fn section(page: &Page<'_>) -> Markup {
    let (nodes, edges, last) = collected(page);
    let graph = Graph { nodes: nodes.len(), edges };
    let drawn = nodes.len() <= MOST_NODES && graph.edges.len() <= MOST_EDGES;
    let of_pack = &page.inspection.graph;
    html! {
        @if nodes.is_empty() {
            p { "There are no packages whose headers can be read." }
        } @else if drawn {
            p { "An arrow leads from what needs something to what it needs; what follows from others is left out. Grey is what a host must have." }
            (picture(&nodes, &graph, &last))
        } @else {
            p { "With " (nodes.len()) " nodes and " (graph.edges.len()) " arrows there is no picture that helps; here is the list." }
        }
        details open[!drawn && !nodes.is_empty()] {
            summary { "As a list" }
            div class="inside" {
                div class="scroll" tabindex="0" role="region" aria-label="Dependencies" {
                    table {
                        thead { tr { th scope="col" { "Package" } th scope="col" { "needs" } th scope="col" { "from" } } }
                        tbody {
                            @for (package, capability, providers) in of_pack
                                .needs.iter()
                                .flat_map(|need| need.of.iter().map(move |(capability, by)| (&need.package, capability, by)))
                                .take(MOST_ROWS)
                            {
                                tr { td { (Line(package)) } td { (Line(capability)) } td { (Line(&providers.join(", "))) } }
                            }
                            @for wanted in of_pack.host.iter().take(MOST_ROWS) {
                                tr { td { (Line(&wanted.by.join(", "))) } td { (Line(&wanted.capability)) } td { "the host" } }
                            }
                        }
                    }
                }
                @if !of_pack.rpm_features.is_empty() {
                    p class="muted small" { "The host's rpm must know " (Line(&of_pack.rpm_features.join(", "))) "." }
                }
            }
        }
    }
}

/// Nodes, edges, and the nodes that are of the host.
fn collected(page: &Page<'_>) -> (Vec<Node>, BTreeSet<(usize, usize)>, BTreeSet<usize>) {
    let mut nodes = Vec::new();
    let mut index: BTreeMap<&str, usize> = BTreeMap::new();
    let label = page.report.verification.label.as_deref().unwrap_or_default();
    let own = [format!("update-{label}"), format!("control-{label}")];
    for package in packages(page.inspection) {
        index.entry(&package.name).or_insert_with(|| {
            let class = if own.contains(&package.name) { "node own" } else { "node" };
            nodes.push(Node { label: package.name.clone(), title: package.nevra.clone(), class });
            nodes.len() - 1
        });
    }
    let mut edges = BTreeSet::new();
    for need in &page.inspection.graph.needs {
        let Some(from) = index.get(need.package.as_str()) else { continue };
        let to = need.of.iter().flat_map(|(_, by)| by).filter_map(|name| index.get(name.as_str()));
        edges.extend(to.filter(|to| *to != from).map(|to| (*from, *to)));
    }
    // What the same packages want of the host is one node.
    let mut wanted: BTreeMap<&[String], Vec<&str>> = BTreeMap::new();
    for capability in &page.inspection.graph.host {
        wanted.entry(&capability.by).or_default().push(&capability.capability);
    }
    let mut last = BTreeSet::new();
    for (by, capabilities) in wanted {
        let more = match capabilities.len() {
            1 => String::new(),
            count => format!(" +{}", count - 1),
        };
        let first = cut(capabilities[0], ROOM - more.len());
        let title = format!("the host must have {}", capabilities.join(", "));
        nodes.push(Node { label: format!("{first}{more}"), title, class: "node host" });
        last.insert(nodes.len() - 1);
        edges.extend(by.iter().filter_map(|name| index.get(name.as_str())).map(|from| (*from, nodes.len() - 1)));
    }
    (nodes, edges, last)
}

fn picture(nodes: &[Node], graph: &Graph, last: &BTreeSet<usize>) -> Markup {
    let layers = layout::layers(graph, last);
    let rows = layers.iter().map(Vec::len).max().unwrap_or(0);
    let width = 2 * MARGIN + layers.len() * WIDTH + layers.len().saturating_sub(1) * BETWEEN_LAYERS;
    let height = 2 * MARGIN + rows * (HEIGHT + BETWEEN_ROWS) - BETWEEN_ROWS;
    let mut place = vec![(0, 0); nodes.len()];
    for (column, layer) in layers.iter().enumerate() {
        // Shorter layers stand in the middle.
        let free = (rows - layer.len()) * (HEIGHT + BETWEEN_ROWS) / 2;
        for (row, node) in layer.iter().enumerate() {
            place[*node] = (MARGIN + column * (WIDTH + BETWEEN_LAYERS), MARGIN + free + row * (HEIGHT + BETWEEN_ROWS));
        }
    }
    html! {
        div class="scroll" tabindex="0" role="region" aria-label="Graph of dependencies" {
            svg width=(width) height=(height) viewBox={ "0 0 " (width) " " (height) } role="img"
                aria-label={ (nodes.len()) " nodes; the list below says the same" } {
                defs {
                    marker id="arrow" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto" {
                        path class="head" d="M0 0L8 4L0 8z" {}
                    }
                }
                @for (from, to) in layout::reduced(graph) { (edge(place[from], place[to])) }
                @for (node, (x, y)) in nodes.iter().zip(&place) {
                    g class=(node.class) {
                        title { (Line(&node.title)) }
                        rect x=(x) y=(y) width=(WIDTH) height=(HEIGHT) rx="7" {}
                        text x=(x + 12) y=(y + 20) { (Line(&cut(&node.label, ROOM))) }
                    }
                }
            }
        }
    }
}

fn edge(from: (usize, usize), to: (usize, usize)) -> Markup {
    let (from_x, from_y) = (from.0 + WIDTH, from.1 + HEIGHT / 2);
    let (to_x, to_y) = (to.0, to.1 + HEIGHT / 2);
    // Back to the left, in a circle of dependencies, it bends outwards.
    let bend = BETWEEN_LAYERS / 2;
    html! {
        path class="edge" marker-end="url(#arrow)"
            d={ "M" (from_x) " " (from_y) "C" (from_x + bend) " " (from_y) " " (to_x.saturating_sub(bend)) " " (to_y) " " (to_x) " " (to_y) } {}
    }
}
