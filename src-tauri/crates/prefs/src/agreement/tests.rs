use super::*;

fn near(found: Option<f64>, expected: f64, by: f64) {
    let found = found.expect("there is a value");
    assert!((found - expected).abs() < by, "{found} is not {expected}");
}

/// K. Krippendorff 2011, Computing Krippendorff's Alpha-Reliability, section C: four observers, twelve units, missing
/// data; nominal alpha 0.743.
#[test]
fn alpha_of_the_published_example() {
    let observers =
        ["1 2 3 3 2 1 4 1 2 . . .", "1 2 3 3 2 2 4 1 2 5 . 3", ". 3 3 3 2 3 4 2 2 5 1 .", "1 2 3 3 2 4 4 1 2 5 1 ."];
    let values: Vec<Vec<Option<u32>>> =
        observers.iter().map(|row| row.split(' ').map(|value| value.parse().ok()).collect()).collect();
    let units: Vec<Vec<Option<u32>>> = (0..12).map(|unit| values.iter().map(|row| row[unit]).collect()).collect();
    near(krippendorffs_alpha(&units), 0.743, 0.0005);
}

/// Section B of the same: two observers, ten units, two values, nothing missing; alpha 0.095.
#[test]
fn alpha_of_the_published_binary_example() {
    let one = [0, 1, 0, 0, 0, 0, 0, 0, 1, 0];
    let other = [1, 1, 1, 0, 0, 1, 0, 0, 0, 0];
    let units: Vec<Vec<Option<u32>>> =
        one.iter().zip(other).map(|(one, other)| vec![Some(*one), Some(other)]).collect();
    near(krippendorffs_alpha(&units), 0.095, 0.0005);
}

/// The usual textbook example: 50 grant proposals, 20 times both yes, 15 times both no, 5 and 10 times one of them; kappa
/// 0.4 (0.7 observed, 0.5 by chance).
#[test]
fn kappa_of_the_textbook() {
    let both = [(true, true, 20), (true, false, 5), (false, true, 10), (false, false, 15)];
    let both: Vec<(bool, bool)> =
        both.iter().flat_map(|&(one, other, times)| std::iter::repeat_n((one, other), times)).collect();
    near(cohens_kappa(&both), 0.4, 1e-12);
}

#[test]
fn what_cannot_be_computed_is_no_number() {
    assert_eq!(cohens_kappa::<u8>(&[]), None);
    assert_eq!(cohens_kappa(&[(1, 1), (1, 1)]), None, "no category but one: chance explains it all");
    assert_eq!(krippendorffs_alpha::<u8>(&[]), None);
    assert_eq!(krippendorffs_alpha(&[vec![Some(1), None], vec![None, Some(2)]]), None, "nothing is shared");
    assert_eq!(krippendorffs_alpha(&[vec![Some(1), Some(1)]]), None);
    assert_eq!(percent_agreement::<u8>(&[vec![None, Some(1)]]), None);
    near(krippendorffs_alpha(&[vec![Some(1), Some(1)], vec![Some(2), Some(2)]]), 1.0, 1e-12);
    assert!(krippendorffs_alpha(&[vec![Some(1), Some(2)], vec![Some(2), Some(1)]]).is_some_and(|alpha| alpha < 0.0));
    assert_eq!(median(vec![]), None);
    assert_eq!(median(vec![3.0, 1.0, 2.0]), Some(2.0));
    assert_eq!(median(vec![4.0, 1.0]), Some(2.5));
}

fn vote(annotator: &str, item: i64, meaning: Meaning, side: Option<Side>, second_pass: bool) -> Vote {
    Vote {
        annotator: annotator.to_owned(),
        item,
        meaning,
        side,
        milliseconds: 2000 * item as u64,
        second_pass,
        votes_seen: false,
        is_file: false,
    }
}

/// By hand: on items 1 to 4 Ada says first, second, tie, first and Ben says first (much), second, first, a bad tie.
#[test]
fn two_annotators_by_hand() {
    use Meaning::{First, FirstMuch, Second, Skip, TieBad, TieGood};
    let (left, right) = (Some(Side::Left), Some(Side::Right));
    let votes = [
        vote("Ada", 1, First, left, false),
        vote("Ada", 2, Second, left, false),
        vote("Ada", 3, TieGood, None, false),
        vote("Ada", 4, First, left, false),
        vote("Ada", 5, First, right, false),
        vote("Ada", 6, Skip, None, false),
        vote("Ben", 1, FirstMuch, right, false),
        vote("Ben", 2, Second, left, false),
        vote("Ben", 3, First, right, false),
        vote("Ben", 4, TieBad, None, false),
        // Again: items 1 and 3 as before (a tie is a tie), item 2 not.
        vote("Ada", 1, FirstMuch, right, true),
        vote("Ada", 3, TieBad, None, true),
        vote("Ada", 2, First, right, true),
    ];
    let found = agreement(&votes);
    assert_eq!(found.items_shared, 4);
    near(found.percent, 0.5, 1e-12);
    let [pair] = found.pairs.as_slice() else { panic!("one pair of annotators") };
    assert_eq!((pair.a.as_str(), pair.b.as_str(), pair.items), ("Ada", "Ben", 4));
    // p_o = 1/2; margins first 2 and 2, second 1 and 1, tie 1 and 1: p_e = (4 + 1 + 1) / 16.
    near(pair.kappa, (0.5 - 0.375) / (1.0 - 0.375), 1e-12);
    // Coincidences: diagonal 2 + 2 of 8; totals first 4, second 2, tie 2: D_e uses (12 + 2 + 2) / 7.
    near(found.alpha, 1.0 - (8.0 - 4.0) / (8.0 - 16.0 / 7.0), 1e-12);
    let ada = &found.annotators[0];
    assert_eq!((ada.annotator.as_str(), ada.judged, ada.self_items), ("Ada", 5, 3));
    near(ada.self_percent, 2.0 / 3.0, 1e-12);
    near(ada.left_share, 3.0 / 6.0, 1e-12);
    let [low, high] = ada.left_share_interval.expect("six judgements took a side");
    assert!((low - 0.1876).abs() < 1e-4 && (high - 0.8124).abs() < 1e-4, "{low} {high}");
    near(ada.median_seconds, 5.0, 1e-12);
    near(found.annotators[1].left_share, 1.0 / 3.0, 1e-12);
}

#[test]
fn who_saw_what_others_say_does_not_agree_with_them() {
    use Meaning::First;
    let seen = Vote { votes_seen: true, ..vote("Ben", 2, First, None, false) };
    let found = agreement(&[
        vote("Ada", 1, First, None, false),
        vote("Ada", 2, First, None, false),
        vote("Ben", 1, Meaning::Second, None, false),
        seen,
    ]);
    assert_eq!((found.items_shared, found.percent, found.votes_seen), (1, Some(0.0), 1));
}

#[test]
fn files_are_compared_with_people_and_count_in_nothing_else() {
    use Meaning::{First, Second};
    let file = |item, meaning| Vote { is_file: true, ..vote("survey.csv", item, meaning, None, false) };
    let of_ada = [vote("Ada", 1, First, None, false), vote("Ada", 2, Second, None, false)];
    let alone = agreement(&of_ada);
    let found = agreement(&[of_ada.as_slice(), &[file(1, First), file(2, First), file(3, First)]].concat());
    let [pair] = found.pairs.as_slice() else { panic!("Ada and the file") };
    assert_eq!((pair.b.as_str(), pair.b_is_file, pair.items, pair.percent), ("survey.csv", true, 2, 0.5));
    assert_eq!(Agreement { pairs: Vec::new(), ..found }, alone);
}

#[test]
fn nobody_has_judged() {
    let found = agreement(&[]);
    assert_eq!((found.items_shared, found.percent, found.alpha), (0, None, None));
    assert!(found.pairs.is_empty() && found.annotators.is_empty());
}
