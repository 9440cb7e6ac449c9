//! What expressions become stands with the goldens of RBAC (`testdata/filters/rbac.txt`); here is what they may call.

use super::function::{Enabled, Found, find};
use super::*;

#[test]
fn functions_are_found_by_name_way_and_number() {
    let all = Enabled { string_conversion: true, string_functions: true };
    let none = Enabled::default();
    for (name, receiver, count, enabled, want) in [
        ("size", false, 1, none, Found::Function(Function::Size)),
        ("size", true, 0, none, Found::Function(Function::Size)),
        ("size", true, 1, none, Found::Nowhere),
        ("contains", false, 2, none, Found::Function(Function::Contains)),
        ("contains", true, 2, none, Found::Nowhere),
        ("matches", true, 1, none, Found::Matches),
        ("_==_", false, 2, none, Found::Function(Function::Equal)),
        ("_==_", true, 1, none, Found::Nowhere),
        ("string", false, 1, none, Found::Nowhere),
        ("string", false, 1, all, Found::Function(Function::Text)),
        ("replace", true, 2, none, Found::Nowhere),
        ("replace", true, 3, all, Found::Function(Function::Replace)),
        ("trim", true, 0, all, Found::NotHere),
        ("getHours", true, 0, none, Found::Function(Function::Hours)),
        ("getHours", true, 1, none, Found::NotHere),
        ("getHours", false, 1, none, Found::Nowhere),
        ("re.extract", false, 3, none, Found::NotHere),
        ("", false, 0, all, Found::Nowhere),
    ] {
        assert_eq!(find(name, receiver, count, enabled), want, "{name} {receiver} {count}");
    }
}

#[test]
fn attributes_are_known_by_place() {
    use super::attribute::{Found, find};
    let at = |root, name| find(root, name, Place::Request);
    assert_eq!(at("request", "path"), Found::Attribute(Attribute::Path));
    assert_eq!(at("request", "nonsense"), Found::Attribute(Attribute::Absent));
    assert_eq!(at("request", "headers"), Found::Headers(HeadersOf::Request));
    assert_eq!(at("connection", "tls_version"), Found::Attribute(Attribute::Tls(Side::Downstream, TlsField::Version)));
    assert_eq!(at("upstream", "tls_version"), Found::Attribute(Attribute::Tls(Side::Upstream, TlsField::Version)));
    assert_eq!(at("xds", "route_metadata"), Found::Metadata(MetadataOf::Route));
    assert_eq!(at("xds", "node"), Found::NotHere);
    assert_eq!(find("xds", "route_name", Place::Connection), Found::NotHere);
    assert_eq!(find("request", "path", Place::Connection), Found::NotHere);
    assert_eq!(find("source", "address", Place::Connection), Found::Attribute(Attribute::SourceAddress));
}
