//! Trees by range and by domain, and expressions among the conditions.

use config::cel::{Attribute, Expr, Function, HeadersOf, Literal};
use config::match_tree::{Domains, Ranges};

use super::*;

fn ranges(list: &[&str], exclusive: bool, next: OnMatch<&'static str>) -> Ranges<&'static str> {
    Ranges { ranges: list.iter().map(|range| range.parse().unwrap()).collect(), exclusive, next }
}

/// An action where header `b` is this.
fn where_b(value: &str, name: &'static str) -> OnMatch<&'static str> {
    inside(list(vec![(header("b", value), act(name))]))
}

#[test]
fn the_longest_range_that_finds_something() {
    let list = vec![
        ranges(&["0.0.0.0/0"], true, act("any of 4")),
        ranges(&["10.0.0.0/8", "fc00::/7"], false, act("wide")),
        ranges(&["10.1.0.0/16"], false, where_b("1", "narrow")),
        ranges(&["10.1.0.0/16", "10.2.0.0/16"], true, where_b("2", "narrow too")),
        ranges(&["10.1.2.3/32"], false, where_b("3", "one")),
    ];
    let by = |input| Matcher { rules: Rules::Ranges(input, list.clone()), no_match: Some(act("none")) };
    let tree = by(Input::RequestHeader("a".into()));
    for (ip, b, want) in [
        ("10.1.2.3", "3", "one"),
        ("10.1.2.3", "1", "narrow"),
        ("10.1.2.3", "2", "wide"),
        ("10.1.9.9", "1", "narrow"),
        ("10.1.9.9", "2", "wide"),
        ("10.2.0.0", "2", "narrow too"),
        ("10.2.0.0", "1", "wide"),
        ("10.3.0.0", "1", "wide"),
        ("192.0.2.1", "", "any of 4"),
        ("fd00::1", "", "wide"),
        ("2001:db8::1", "", "none"),
        ("::ffff:10.1.2.3", "3", "none"),
        ("10.1.2", "", "none"),
        ("", "", "none"),
    ] {
        assert_eq!(judged(&tree, &request("/", &[("a", ip), ("b", b)])), want, "{ip} {b}");
    }
    assert_eq!(judged(&tree, &request("/", &[])), "none");
    let mut facts = request("/", &[]);
    facts.addresses = Some(["[::1]:80", "10.3.0.1:4000", "10.0.0.2:5000"].map(|one| one.parse().unwrap()));
    assert_eq!(judged(&by(Input::SourceIp), &facts), "wide");
    assert_eq!(judged(&by(Input::ResponseHeader("r".into())), &facts), "?");
    assert_eq!(judged(&by(Input::DynamicMetadata("f".into(), vec!["k".into()])), &facts), "none");
    assert_eq!(judged(&by(Input::NetworkNamespace), &facts), "none");
}

#[test]
fn a_name_then_the_longest_wildcard() {
    let domains = |list: &[&str], next| Domains { domains: list.iter().map(|domain| (*domain).into()).collect(), next };
    let list = vec![
        domains(&["*"], act("all")),
        domains(&["*.example.com"], where_b("1", "below example.com")),
        domains(&["*.com", "b.net"], where_b("2", "below com")),
        domains(&["a.example.com"], where_b("3", "a")),
    ];
    let mut tree =
        Matcher { rules: Rules::Domains(Input::RequestHeader("a".into()), list), no_match: Some(act("none")) };
    for (name, b, want) in [
        ("a.example.com", "3", "a"),
        ("a.example.com", "1", "below example.com"),
        ("a.example.com", "2", "below com"),
        ("x.a.example.com", "1", "below example.com"),
        ("example.com", "1", "all"),
        ("example.com", "2", "below com"),
        ("A.EXAMPLE.COM", "3", "all"),
        ("b.net", "2", "below com"),
        ("x.b.net", "2", "all"),
        ("", "", "none"),
    ] {
        assert_eq!(judged(&tree, &request("/", &[("a", name), ("b", b)])), want, "{name} {b}");
    }
    assert_eq!(judged(&tree, &request("/", &[])), "none");
    if let Rules::Domains(_, list) = &mut tree.rules {
        list.remove(0);
    }
    assert_eq!(judged(&tree, &request("/", &[("a", "x.b.net")])), "none");
}

#[test]
fn an_expression_waits_for_a_response_that_it_has_asked_for() {
    let cel = |expr: Expr| Predicate::Cel(expr.into());
    let text = |text: &str| Expr::Literal(Literal::Text(text.into()));
    let equal = |one, other| Expr::Call(Function::Equal, vec![one, other]);
    let of_request = |value: &str| equal(Expr::Header(HeadersOf::Request, "a".into()), text(value));
    let of_response = || equal(Expr::Header(HeadersOf::Response, "r".into()), text("1"));
    let both = |one, other| Expr::And([one, other].into());
    let either = |one, other| Expr::Or([one, other].into());
    let not_there =
        || Expr::Call(Function::Not, vec![Expr::Has(Expr::Headers(HeadersOf::Response).into(), "r".into())]);
    let seen = || request("/", &[("a", "1")]);
    let answered = response(seen(), 200, &[("r", "1")]);
    for (expr, before, after) in [
        (of_request("1"), "yes", "yes"),
        (of_request("2"), "-", "-"),
        (of_response(), "?", "yes"),
        (both(of_request("1"), of_response()), "?", "yes"),
        (both(of_request("2"), of_response()), "-", "-"),
        (both(of_response(), of_request("2")), "?", "-"),
        (either(of_request("1"), of_response()), "yes", "yes"),
        (either(of_request("2"), of_response()), "?", "yes"),
        // What is true by now is true.
        (not_there(), "yes", "-"),
        (equal(Expr::Attribute(Attribute::ResponseCode), Expr::Literal(Literal::Int(1))), "?", "-"),
        (Expr::Unknown, "-", "-"),
        (text("no truth"), "-", "-"),
    ] {
        assert_eq!(holds(cel(expr.clone()), &seen()), before, "{expr:?}");
        assert_eq!(holds(cel(expr.clone()), &answered), after, "{expr:?}");
    }
    let mut trailers = seen();
    trailers.response_trailers = Some(headers(&[]));
    assert_eq!(holds(cel(of_response()), &trailers), "-");
    let tree = list(vec![(cel(of_request("1")), act("yes"))]);
    let tree = Tree::compile(&At::root(), &tree, &mut |_, action| Ok(*action)).unwrap();
    assert!(tree.comes().has(Comes::WITH_RESPONSE));
}
