//! The index never changes a verdict.

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use config::rbac::{Action, Engine as Config};

use super::super::tests::{connection, exact, prefix, request};
use super::super::{By, Engine};
use super::*;
use crate::tls::info::{PeerCertificate, TlsInfo};

/// Policies of one permission and one principal each, many enough for an index.
fn policies() -> BTreeMap<Arc<str>, Policy> {
    let path = |path: &str| Rule::UrlPath(exact(path));
    let name = |name: &str| Rule::Authenticated(Some(exact(name)));
    let list = vec![
        (path("/a"), name("spiffe://one")),
        (Rule::UrlPath(prefix("/a/")), Rule::Any),
        (Rule::UrlPath(prefix("/a/b")), Rule::DestinationPort(1)),
        (Rule::OneOf(vec![path("/c"), path("/d")]), Rule::Any),
        (Rule::OneOf(vec![path("/c"), Rule::Any]), name("spiffe://two")),
        (Rule::All(vec![Rule::Any, path("/e"), Rule::UrlPath(prefix("/e"))]), Rule::Any),
        (Rule::Not(Box::new(path("/f"))), Rule::DestinationPort(1)),
        (Rule::Any, name("")),
        (path("/g"), Rule::Any),
        (Rule::DestinationPort(80), Rule::UrlPath(prefix("/"))),
    ];
    let one = |(at, (permission, principal)): (usize, (Rule, Rule))| {
        let policy = Policy { permissions: vec![permission], principals: vec![principal], condition: None };
        (Arc::from(format!("{at:02}")), policy)
    };
    list.into_iter().enumerate().map(one).collect()
}

#[test]
fn it_finds_what_trying_each_finds() {
    let policies = policies();
    let index = Index::of(policies.values()).expect("there are many");
    let engine = Engine::compile(&Config::Rules(Action::Allow, policies), None, &|_, _| ()).unwrap();
    let By::Rules { policies, .. } = &engine.0.by else { unreachable!() };
    for path in ["/", "/a", "/a?x", "/a/", "/a/b", "/a/bc", "/c", "/d", "/e", "/ef", "/f", "/g", "*"] {
        for uri in [None, Some("spiffe://one"), Some("spiffe://two")] {
            for port in [80, 81] {
                let mut facts = request(path, &[]);
                facts.local.set_port(port);
                facts.tls = uri.map(|uri| {
                    let peer =
                        PeerCertificate { uri_sans: vec![uri.into()], subject: "CN=x".into(), ..Default::default() };
                    TlsInfo { peer: Some(Rc::new(peer)), ..Default::default() }
                });
                let want = policies.iter().position(|policy| policy.matches(&facts));
                assert_eq!(index.find(&facts, |at| policies[at].matches(&facts)), want, "{path} {uri:?} {port}");
            }
        }
    }
    let mut nobody = connection();
    nobody.tls = Some(TlsInfo::default());
    assert_eq!(index.find(&nobody, |at| policies[at].matches(&nobody)), Some(7), "an empty subject is a name");
}

#[test]
fn few_policies_and_those_without_keys_have_none() {
    let mut few = policies();
    while few.len() >= FEW {
        few.pop_last();
    }
    assert!(Index::of(few.values()).is_none());
    let any = Policy { permissions: vec![Rule::Any], principals: vec![Rule::Any], condition: None };
    assert!(Index::of(vec![any; FEW].iter()).is_none());
}
