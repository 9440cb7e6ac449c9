//! Tests of `outage`.

use super::Outage;

#[test]
fn it_is_said_when_it_begins_once_a_minute_and_when_it_is_over() {
    let outage = Outage::default();
    assert!(!outage.is_over(1), "nothing has been said");
    assert!(outage.is_news(1) && !outage.is_news(1) && !outage.is_news(60));
    assert!(outage.is_news(61), "it lasts");
    assert!(!outage.is_over(61), "an answer among failures");
    assert!(outage.is_over(62) && !outage.is_over(63));
    assert!(outage.is_news(64), "it begins again");
}
