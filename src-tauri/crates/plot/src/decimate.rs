//! Fewer points that look the same.

/// At most `most` of `points` (in rising x), the first and the last among them, and of each stretch between its
/// lowest and highest: a spike of one step stays. Points that are not finite are left out.
pub fn decimated(points: &[(f64, f64)], most: usize) -> Vec<(f64, f64)> {
    let finite: Vec<(f64, f64)> = points.iter().copied().filter(|(x, y)| x.is_finite() && y.is_finite()).collect();
    if finite.len() <= most {
        return finite;
    }
    // Two points of each stretch, beside the two ends.
    let stretches = (most.saturating_sub(2) / 2).max(1);
    let (Some((first, rest)), Some(last)) = (finite.split_first(), finite.last()) else { return finite };
    let inner = &rest[..rest.len() - 1];
    let mut kept = vec![*first];
    for stretch in 0..stretches {
        let of = |end: usize| end * inner.len() / stretches;
        let part = &inner[of(stretch)..of(stretch + 1)];
        let by_height = |a: &&(f64, f64), b: &&(f64, f64)| a.1.total_cmp(&b.1);
        let (Some(low), Some(high)) = (part.iter().min_by(by_height), part.iter().max_by(by_height)) else { continue };
        let mut ends = vec![*low, *high];
        ends.sort_by(|a, b| a.0.total_cmp(&b.0));
        ends.dedup();
        kept.extend(ends);
    }
    kept.push(*last);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_spike_of_one_step_stays() {
        let mut points: Vec<(f64, f64)> = (0..10_000).map(|x| (f64::from(x), 1.0)).collect();
        points[7_777].1 = 50.0;
        points[1_234].1 = -50.0;
        points[5_000].1 = f64::NAN;
        let kept = decimated(&points, 2_000);
        assert!(kept.len() <= 2_000);
        assert!(kept.contains(&(7_777.0, 50.0)) && kept.contains(&(1_234.0, -50.0)));
        assert!(kept.iter().all(|point| point.1.is_finite()));
        assert_eq!((kept[0], kept[kept.len() - 1]), ((0.0, 1.0), (9_999.0, 1.0)));
    }

    proptest! {
        #[test]
        fn what_is_kept_is_some_of_what_there_was_in_its_order(
            heights in prop::collection::vec(-1e6..1e6f64, 0..300), most in 4..60usize,
        ) {
            let points: Vec<(f64, f64)> = heights.iter().enumerate().map(|(x, y)| (x as f64, *y)).collect();
            let kept = decimated(&points, most);
            prop_assert!(kept.len() <= most);
            prop_assert!(kept.windows(2).all(|pair| pair[0].0 < pair[1].0));
            prop_assert!(kept.iter().all(|point| points.contains(point)));
            let extent = |points: &[(f64, f64)]| points.iter().map(|p| p.1).fold((f64::MAX, f64::MIN), |(l, h), y| (l.min(y), h.max(y)));
            prop_assert_eq!(extent(&kept), extent(&points));
        }
    }
}
