//! `tiebreak`
fn main() {}
