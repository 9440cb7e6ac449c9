//! Tests of `pattern`.

use super::*;

fn written(pattern: &str) -> String {
    let line = Line {
        time: SystemTime::UNIX_EPOCH,
        level: "info",
        logger: "main",
        file: "src/a.rs",
        line: 7,
        message: "said",
    };
    let mut out = Vec::new();
    Pattern::parse(pattern, false).write(&line, &mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn flags_have_widths() {
    for (pattern, want) in [
        ("%8n|", "    main|\n"),
        ("%-8n|", "main    |\n"),
        ("%=9n|", "  main   |\n"),
        ("%2n|", "main|\n"),
        ("%2!n|", "ma|\n"),
        ("%-6!n|", "main  |\n"),
        ("%999#|", &format!("{:>64}|\n", 7)),
    ] {
        assert_eq!(written(pattern), want, "{pattern}");
    }
}

#[test]
fn what_is_no_flag_stays() {
    assert_eq!(written("%% %! %z %^%v%$ %"), "%  +00:00 said %\n");
}
