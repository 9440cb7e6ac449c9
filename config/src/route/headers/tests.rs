//! Tests of `headers`.

use super::*;

#[test]
fn what_header_values_said_before_is_what_formats_say_today() {
    for (then, now) in [
        ("%PER_REQUEST_STATE(a.b)%", "%FILTER_STATE(a.b:PLAIN)%"),
        ("x%PER_REQUEST_STATE(a)%y%PER_REQUEST_STATE(b)%", "x%FILTER_STATE(a:PLAIN)%y%FILTER_STATE(b:PLAIN)%"),
        ("%PER_REQUEST_STATE()%", "%PER_REQUEST_STATE()%"),
        ("%PER_REQUEST_STATE(a", "%PER_REQUEST_STATE(a"),
        (r#"%DYNAMIC_METADATA(["a", "b"])%"#, "%DYNAMIC_METADATA(a:b)%"),
        (
            r#"%UPSTREAM_METADATA(["a","b","c"])% %DYNAMIC_METADATA(d)%"#,
            "%UPSTREAM_METADATA(a:b:c)% %DYNAMIC_METADATA(d)%",
        ),
        ("%DYNAMIC_METADATA([a])%", "%DYNAMIC_METADATA([a])%"),
        ("%DYNAMIC_METADATA([])%", "%DYNAMIC_METADATA([])%"),
        ("%REQ(x)% 100%%", "%REQ(x)% 100%%"),
    ] {
        assert_eq!(as_formats_are_now(then), now);
    }
}
