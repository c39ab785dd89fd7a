//! Rectangles whose areas are sizes: a squarified treemap (Bruls, Huizing, van Wijk, "Squarified Treemaps", 2000).
//!
//! Knows numbers only.

/// Where something stands, in the units of the drawing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Area {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) width: f64,
    pub(super) height: f64,
}

/// An area for each of some sizes, which must fall and be above 0; none if there are no sizes.
pub(super) fn squarified(sizes: &[u64], whole: Area) -> Vec<Area> {
    let total: f64 = sizes.iter().map(|size| number(*size)).sum();
    if total <= 0.0 {
        return Vec::new();
    }
    let scale = whole.width * whole.height / total;
    let sizes: Vec<f64> = sizes.iter().map(|size| number(*size) * scale).collect();
    let (mut free, mut areas, mut from) = (whole, Vec::with_capacity(sizes.len()), 0);
    while from < sizes.len() {
        let side = free.width.min(free.height);
        let mut to = from + 1;
        while to < sizes.len() && worst(&sizes[from..=to], side) <= worst(&sizes[from..to], side) {
            to += 1;
        }
        free = lay(&sizes[from..to], free, &mut areas);
        from = to;
    }
    areas
}

#[expect(clippy::cast_precision_loss, reason = "a picture does not show single bytes of petabytes")]
fn number(size: u64) -> f64 {
    size as f64
}

/// The worst ratio of sides in a row along a side.
fn worst(row: &[f64], side: f64) -> f64 {
    let sum: f64 = row.iter().sum();
    let thickness = sum / side;
    row.iter()
        .map(|area| {
            let length = area / thickness;
            (length / thickness).max(thickness / length)
        })
        .fold(0.0, f64::max)
}

/// Lays a row along the shorter side; what is left.
fn lay(row: &[f64], free: Area, areas: &mut Vec<Area>) -> Area {
    let sum: f64 = row.iter().sum();
    let upright = free.width >= free.height;
    let side = if upright { free.height } else { free.width };
    let thickness = sum / side;
    let mut along = 0.0;
    for area in row {
        let length = area / thickness;
        areas.push(match upright {
            true => Area { x: free.x, y: free.y + along, width: thickness, height: length },
            false => Area { x: free.x + along, y: free.y, width: length, height: thickness },
        });
        along += length;
    }
    match upright {
        true => Area { x: free.x + thickness, width: (free.width - thickness).max(0.0), ..free },
        false => Area { y: free.y + thickness, height: (free.height - thickness).max(0.0), ..free },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: Area = Area { x: 0.0, y: 0.0, width: 600.0, height: 400.0 };

    #[test]
    fn areas_are_as_the_sizes_and_lie_within_the_whole() {
        let sizes = [6, 6, 4, 3, 2, 2, 1];
        let areas = squarified(&sizes, WHOLE);
        for (size, area) in sizes.iter().zip(&areas) {
            let expected = *size as f64 * 600.0 * 400.0 / 24.0;
            assert!((area.width * area.height - expected).abs() < 1.0, "{area:?}");
            assert!(area.x >= -0.01 && area.y >= -0.01, "{area:?}");
            assert!(area.x + area.width <= 600.01 && area.y + area.height <= 400.01, "{area:?}");
        }
        // The example of the paper: no rectangle but the last is worse than 3 to 1.
        let ratio = |area: &Area| (area.width / area.height).max(area.height / area.width);
        assert!(areas[..6].iter().all(|area| ratio(area) <= 3.0), "{areas:?}");
    }

    #[test]
    fn nothing_and_one_thing_have_their_areas() {
        assert_eq!(squarified(&[], WHOLE), []);
        let [only] = squarified(&[7], WHOLE)[..] else { panic!() };
        assert!((only.width - WHOLE.width).abs() < 0.01 && (only.height - WHOLE.height).abs() < 0.01, "{only:?}");
        assert_eq!(squarified(&[u64::MAX, 1], WHOLE).len(), 2);
    }
}
