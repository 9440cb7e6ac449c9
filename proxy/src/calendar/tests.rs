//! Tests of `calendar`.

use super::*;

#[test]
fn days_and_dates_are_each_other() {
    for (date, days) in [
        ((1970, 1, 1), 0),
        ((1969, 12, 31), -1),
        ((2000, 2, 29), 11_016),
        ((1900, 3, 1), -25_508),
        ((2026, 11, 27), 20_784),
        ((1, 1, 1), -719_162),
        ((9999, 12, 31), 2_932_896),
    ] {
        let (year, month, day) = date;
        assert_eq!((days_of(year, month, day), date_of(days)), (days, date));
    }
    for days in (-800_000..800_000).step_by(97) {
        let (year, month, day) = date_of(days);
        assert_eq!(days_of(year, month, day), days);
    }
}
