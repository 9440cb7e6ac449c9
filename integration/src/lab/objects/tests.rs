//! Tests of `objects`.

use super::*;

const TWO: &str = "# a comment\n---\napiVersion: v1\nkind: Namespace\nmetadata:\n  name: bookinfo\n---\n\
    apiVersion: networking.istio.io/v1\nkind: WorkloadEntry\nmetadata:\n  labels:\n    name: not-this\n  name: \"one\"\n  \
    namespace: bookinfo\nspec:\n  address: 10.77.0.9\n---\n";

#[test]
fn documents_are_split_and_named() {
    let objects = parse(TWO).unwrap();
    let paths: Vec<_> = objects.iter().map(Object::path).collect();
    assert_eq!(
        paths,
        ["/api/v1/namespaces/bookinfo", "/apis/networking.istio.io/v1/namespaces/bookinfo/workloadentries/one"]
    );
    assert_eq!(find(&objects, "WorkloadEntry", "one").unwrap().namespace.as_deref(), Some("bookinfo"));
}

#[test]
fn a_document_without_a_name_is_told() {
    let error = parse("apiVersion: v1\nkind: Service\nspec:\n  name: x\n").unwrap_err();
    assert!(error.to_string().contains("no name"), "{error}");
}

#[test]
fn plurals() {
    for (kind, wanted) in
        [("Sidecar", "sidecars"), ("Gateway", "gateways"), ("AuthorizationPolicy", "authorizationpolicies")]
    {
        assert_eq!(plural(kind), wanted);
    }
}
