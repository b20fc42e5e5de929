use super::jain;

#[test]
fn jain_falls_from_one_to_one_nth_as_shares_drift_apart() {
    assert!((jain(&[3; 100]) - 1.0).abs() < 1e-12);
    assert!((jain(&[1, 2]) - 0.9).abs() < 1e-12);
    assert!((jain(&[1, 0, 0, 0, 0]) - 0.2).abs() < 1e-12);
    assert!((jain(&[u64::MAX, 0]) - 0.5).abs() < 1e-12);
}

#[test]
fn jain_of_nothing_is_one() {
    assert!((jain(&[]) - 1.0).abs() < 1e-12);
    assert!((jain(&[0, 0]) - 1.0).abs() < 1e-12);
}
