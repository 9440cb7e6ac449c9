//! Tests of `opened`.

use super::Opened;

#[test]
fn it_is_said_when_it_begins_once_a_minute_and_when_it_is_over() {
    let opened = Opened::default();
    assert!(!opened.is_over(1), "nothing has been said");
    assert!(opened.is_news(1) && !opened.is_news(1) && !opened.is_news(60));
    assert!(opened.is_news(61), "it lasts");
    assert!(!opened.is_over(61), "an answer among failures");
    assert!(opened.is_over(62) && !opened.is_over(63));
    assert!(opened.is_news(64), "it begins again");
}
