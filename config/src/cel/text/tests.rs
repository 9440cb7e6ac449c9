//! Tests of `text`: what Envoy 1.40 takes and refuses.

use super::*;

/// An expression as one line: calls as lists, the function first.
fn shown(expr: &pb::Expr) -> String {
    let all = |list: &[pb::Expr]| list.iter().map(shown).collect::<Vec<_>>().join(" ");
    match expr.expr_kind.as_ref().expect("it is something") {
        Kind::IdentExpr(ident) => ident.name.clone(),
        Kind::ConstExpr(constant) => format!("{:?}", constant.constant_kind.as_ref().expect("it is something")),
        Kind::SelectExpr(select) => {
            let operand = shown(select.operand.as_ref().expect("of something"));
            let has = if select.test_only { "has " } else { "" };
            format!("({has}{operand} .{})", select.field)
        }
        Kind::CallExpr(call) => {
            let target = call.target.as_ref().map(|target| format!("{} .", shown(target))).unwrap_or_default();
            format!("({target}{} {})", call.function, all(&call.args))
        }
        Kind::ListExpr(list) => format!("[{}]", all(&list.elements)),
        Kind::StructExpr(map) => {
            use pb::expr::create_struct::entry::KeyKind;
            let entry = |entry: &pb::expr::create_struct::Entry| {
                let Some(KeyKind::MapKey(key)) = &entry.key_kind else { panic!("no key") };
                format!("{}: {}", shown(key), shown(entry.value.as_ref().expect("a value")))
            };
            format!("{{{}}}", map.entries.iter().map(entry).collect::<Vec<_>>().join(", "))
        }
        Kind::ComprehensionExpr(_) => panic!("none is made"),
    }
}

fn parsed(text: &str) -> String {
    parse(text).map_or_else(|fault| panic!("{text:?}: {fault:?}"), |expr| shown(&expr))
}

#[test]
fn operators_bind_as_in_the_language() {
    for (text, expected) in [
        ("a || b && c", "(_||_ a (_&&_ b c))"),
        ("a && b || c", "(_||_ (_&&_ a b) c)"),
        ("a || b || c || d", "(_||_ (_||_ a b) (_||_ c d))"),
        ("a == b + c * d", "(_==_ a (_+_ b (_*_ c d)))"),
        ("a - b - c", "(_-_ (_-_ a b) c)"),
        ("a < b == c", "(_==_ (_<_ a b) c)"),
        ("a in b", "(@in a b)"),
        ("a ? b : c ? d : e", "(_?_:_ a b (_?_:_ c d e))"),
        ("(a + b) * c % d / e", "(_/_ (_%_ (_*_ (_+_ a b) c) d) e)"),
        ("!a && !!b && !!!c", "(_&&_ (_&&_ (!_ a) b) (!_ c))"),
        ("-a - --b", "(_-_ (-_ a) b)"),
        ("a.b.c", "((a .b) .c)"),
        ("a['b'].c(d, e)", "((_[_] a StringValue(\"b\")) .c (.d e))".replace("(.d e)", "d e").as_str()),
        ("f(a).g()", "((f a) .g )"),
        (".a.b", "(a .b)"),
        ("has(a.b.c)", "(has (a .b) .c)"),
        ("[a, b,]", "[a b]"),
        ("{}", "{}"),
        ("{'a': b, c: 1,}", "{StringValue(\"a\"): b, c: Int64Value(1)}"),
        ("a . b // and no more\n", "(a .b)"),
        ("in_a && tru", "(_&&_ in_a tru)"),
        ("a.if", "(a .if)"),
    ] {
        assert_eq!(parsed(text), expected, "{text}");
    }
}

#[test]
fn numbers() {
    for (text, expected) in [
        ("1", "Int64Value(1)"),
        ("-1", "Int64Value(-1)"),
        ("01", "Int64Value(1)"),
        ("- -1", "(-_ Int64Value(-1))"),
        ("a-1", "(_-_ a Int64Value(1))"),
        ("-9223372036854775808", "Int64Value(-9223372036854775808)"),
        ("0x1Fu", "Uint64Value(31)"),
        ("-0x10", "Int64Value(-16)"),
        ("18446744073709551615U", "Uint64Value(18446744073709551615)"),
        ("-1u", "(-_ Uint64Value(1))"),
        ("1.5", "DoubleValue(1.5)"),
        (".5e3", "DoubleValue(500.0)"),
        ("-2E-2", "DoubleValue(-0.02)"),
        ("1 .a", "(Int64Value(1) .a)"),
    ] {
        assert_eq!(parsed(text), expected, "{text}");
    }
}

#[test]
fn texts() {
    for (text, expected) in [
        ("'a'", "StringValue(\"a\")"),
        ("\"it's\"", "StringValue(\"it's\")"),
        ("'''a'\n''b'''", "StringValue(\"a'\\n''b\")"),
        ("'\\'\\\"\\n\\\\'", "StringValue(\"'\\\"\\n\\\\\")"),
        ("'\\x41\\101\\u00e9\\U0001F600'", "StringValue(\"AA\u{e9}\u{1f600}\")"),
        ("r'\\n'", "StringValue(\"\\\\n\")"),
        ("b'\\xff\\377a'", "BytesValue([255, 255, 97])"),
        ("bR'\\x'", "BytesValue([92, 120])"),
        ("'\u{e9}'", "StringValue(\"\u{e9}\")"),
        ("b'\u{e9}'", "BytesValue([195, 169])"),
    ] {
        assert_eq!(parsed(text), expected, "{text}");
    }
    assert_eq!(parsed("r in b"), "(@in r b)");
}

#[test]
fn what_is_none_is_refused_where_it_is() {
    for (text, line, column, reason) in [
        ("", 1, 1, "a value is wanted here, and there is the end"),
        ("a ==", 1, 5, "a value is wanted here, and there is the end"),
        ("a b", 1, 3, "the end, or an operator is wanted here, and there is \"b\""),
        ("a\n  = b", 2, 3, "'=' is no part of an expression"),
        ("a & b", 1, 3, "'&' is no part of an expression"),
        ("'\u{e9}' @", 1, 5, "'@' is no part of an expression"),
        ("a ? b", 1, 6, "\":\" is wanted here"),
        ("a == 'b", 1, 6, "the text that begins here has no closing '"),
        ("'a\nb'", 1, 1, "the text that begins here has no closing '"),
        ("'\\q'", 1, 1, "\\q stands for nothing"),
        ("'\\u12'", 1, 1, "\\u12 stands for no letter"),
        ("'\\ud800'", 1, 1, "\\ud800 stands for no letter"),
        ("'\\x\u{e9}'", 1, 1, "stands for no letter"),
        ("b'\\u0041'", 1, 1, "\\u cannot be used in octets"),
        ("9223372036854775808", 1, 1, "beyond"),
        ("1.", 1, 3, "a name is wanted here"),
        ("1l", 1, 2, "the end, or an operator"),
        ("0x", 1, 2, "the end, or an operator"),
        ("if", 1, 1, "if is a reserved word"),
        ("a in in", 1, 6, "a value is wanted"),
        ("has(a)", 1, 1, "has takes one selection"),
        ("has(a['b'])", 1, 1, "has takes one selection"),
        ("a.exists(x, x == 1)", 1, 3, "comprehensions"),
        ("f(a,)", 1, 5, "a value is wanted"),
        ("[a", 1, 3, "\"]\" is wanted"),
        ("{a}", 1, 3, "\":\" is wanted"),
        ("a[?b]", 1, 3, "a value is wanted"),
        ("A{b: c}", 1, 2, "the end, or an operator"),
        ("-!a", 1, 2, "a value is wanted"),
    ] {
        let fault = parse(text).expect_err(text);
        assert!(fault.reason.contains(reason), "{text:?}: {}", fault.reason);
        assert_eq!(position(text, fault.offset), (line, column), "{text:?}");
    }
}

#[test]
fn nothing_goes_too_deep() {
    let parentheses = format!("{}1{}", "(".repeat(10_000), ")".repeat(10_000));
    let steps = format!("a{}", ".b".repeat(10_000));
    let sums = format!("1{}", "+1".repeat(10_000));
    let choices = "a?b:".repeat(10_000) + "c";
    for text in [parentheses, steps, sums, choices, "[".repeat(10_000), "a[".repeat(10_000), "-(".repeat(10_000)] {
        assert!(parse(&text).is_err());
    }
    assert!(parse(&" ".repeat(LONGEST + 1)).is_err());
    assert!(parse(&("-".repeat(10_001) + "a")).is_ok_and(|expr| shown(&expr) == "(-_ a)"));
    assert!(parse(&format!("a{}", " || a".repeat(5_000))).is_ok());
}

#[test]
fn whatever_comes_is_an_expression_or_none() {
    const WORDS: [&str; 30] = [
        "a", "1", "1.5", "'", "\"", "'''", "b'", "\\", "(", ")", "[", "]", "{", "}", ".", ",", "?", ":", "-", "!",
        "&&", "||", "==", "in", "has(", "\u{e9}", "\n", "//", "0x", "u",
    ];
    let mut seed = 7_u64;
    let mut below = |end: usize| {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (seed >> 33) as usize % end
    };
    for _ in 0..20_000 {
        let text: String = (0..below(12)).map(|_| WORDS[below(WORDS.len())]).collect();
        if let Err(fault) = parse(&text) {
            assert!(fault.offset <= text.len() && text.is_char_boundary(fault.offset), "{text:?}");
        }
    }
}
