//! Tests of `overload`: how far timeouts go. What is of the process is tested on a process (`embedded_overload`).

use super::*;

#[test]
fn timeouts_go_down_to_their_least() {
    let seconds = Duration::from_secs;
    let at = |least, share| between(least, seconds(20), share);
    assert_eq!((at(Least::Time(seconds(2)), 0.0), at(Least::Time(seconds(2)), 1.0)), (seconds(20), seconds(2)));
    assert_eq!(at(Least::Time(seconds(10)), 0.5), seconds(15));
    assert_eq!(at(Least::Time(seconds(60)), 1.0), seconds(20), "never longer than it is");
    assert_eq!((at(Least::Share(0.1), 1.0), at(Least::Share(0.0), 1.0)), (seconds(2), Duration::ZERO));
}
