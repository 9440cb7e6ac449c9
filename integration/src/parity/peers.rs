//! The table of peers: chains that a client or a server may present, and the validation context that judges them. The verdicts, which
//! are Envoy's, stand in `integration/parity/tls_peers.txt`.

use rcgen::PublicKeyData;
use serde_json::{Value, json};

use super::der::{
    self, CLIENT, Der, Key, List, SERVER, Text, constraints, dns, extended, extension, sans, tlv, uri, usage,
};
use super::merge;

mod authorities;
mod leaves;
mod lists;
mod names;
mod spiffe;

/// One peer and who judges it.
pub struct Case {
    /// Unique.
    pub name: String,
    /// Leaf first.
    pub chain: Vec<Der>,
    /// Of the leaf, as PKCS#8.
    pub key: Der,
    /// A `CertificateValidationContext`.
    pub context: Value,
}

/// All of them. Keys are made anew each time; nothing that is judged depends on them.
pub fn all() -> Vec<Case> {
    let mut table = Table::new();
    leaves::add(&mut table);
    authorities::add(&mut table);
    names::add(&mut table);
    lists::add(&mut table);
    spiffe::add(&mut table);
    table.cases
}

/// PEM with a label.
pub fn pem(label: &str, der: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for part in der.chunks(3) {
        let octet = |index: usize| u32::from(part.get(index).copied().unwrap_or(0));
        let word = octet(0) << 16 | octet(1) << 8 | octet(2);
        for place in 0..4 {
            match place <= part.len() {
                true => text.push(char::from(LETTERS[(word >> (18 - 6 * place)) as usize & 63])),
                false => text.push('='),
            }
        }
    }
    let lines: Vec<_> = text.as_bytes().chunks(64).map(String::from_utf8_lossy).collect();
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", lines.join("\n"))
}

/// A bundle as `trusted_ca`.
fn roots(certificates: &[&Der]) -> Value {
    let text: String = certificates.iter().map(|der| pem("CERTIFICATE", der)).collect();
    json!({"trusted_ca": {"inline_string": text}})
}

/// A context with more in it.
fn with(mut context: Value, more: Value) -> Value {
    merge(&mut context, &more);
    context
}

fn lists(texts: &[Der]) -> Value {
    let text: String = texts.iter().map(|der| pem("X509 CRL", der)).collect();
    json!({"crl": {"inline_string": text}})
}

/// The usual names of a peer.
fn usual_names() -> Der {
    sans(&[dns("peer.example"), uri("spiffe://mesh/peer")])
}

fn leaf_text(issuer: &str) -> Text {
    let extensions = vec![constraints(false, None), usage(0x80), extended(&[SERVER, CLIENT]), usual_names()];
    Text::new("leaf", issuer, extensions)
}

fn authority_text(subject: &str, issuer: &str) -> Text {
    Text::new(subject, issuer, vec![constraints(true, None), usage(0x06)])
}

/// Replaces the extension of that identifier, or takes it out.
fn replace(text: &mut Text, id: &str, by: Option<Der>) {
    let id = der::oid(id);
    text.extensions.retain(|extension| !extension.windows(id.len()).take(6).any(|part| part == id));
    text.extensions.extend(by);
}

const BASIC: &str = "2.5.29.19";
const USAGE: &str = "2.5.29.15";
const EXTENDED: &str = "2.5.29.37";
const NAMES: &str = "2.5.29.17";

struct Table {
    cases: Vec<Case>,
    root: Key,
    middle: Key,
    other: Key,
    leaf: Key,
    root_der: Der,
}

impl Table {
    fn new() -> Table {
        let root = Key::new();
        let root_der = authority_text("root", "root").sign(&root, &root);
        Table { cases: Vec::new(), middle: Key::new(), other: Key::new(), leaf: Key::new(), root, root_der }
    }

    fn add(&mut self, name: &str, chain: Vec<Der>, context: Value) {
        self.add_with(name, chain, self.leaf.pair.serialize_der(), context);
    }

    fn add_with(&mut self, name: &str, chain: Vec<Der>, key: Der, context: Value) {
        assert!(self.cases.iter().all(|case| case.name != name), "{name} is there twice");
        self.cases.push(Case { name: name.to_owned(), chain, key, context });
    }

    /// A leaf of the root, changed.
    fn leaf_der(&self, change: impl FnOnce(&mut Text)) -> Der {
        let mut text = leaf_text("root");
        change(&mut text);
        text.sign(&self.leaf, &self.root)
    }

    /// A peer of the root whose leaf is changed.
    fn leaf(&mut self, name: &str, change: impl FnOnce(&mut Text)) {
        let chain = vec![self.leaf_der(change)];
        let context = roots(&[&self.root_der]);
        self.add(name, chain, context);
    }

    /// A peer whose leaf is of another key.
    fn keyed(&mut self, name: &str, key: &Key, bits: u8) {
        let mut text = leaf_text("root");
        replace(&mut text, USAGE, Some(usage(bits)));
        let chain = vec![text.sign(key, &self.root)];
        let context = roots(&[&self.root_der]);
        self.add_with(name, chain, key.pair.serialize_der(), context);
    }

    /// An authority between root and leaf, and a leaf of it.
    fn middle_der(&self, change: impl FnOnce(&mut Text), leaf: impl FnOnce(&mut Text)) -> (Der, Der) {
        let mut authority = authority_text("middle", "root");
        change(&mut authority);
        let mut text = leaf_text("middle");
        leaf(&mut text);
        (authority.sign(&self.middle, &self.root), text.sign(&self.leaf, &self.middle))
    }

    /// A peer whose authority between root and leaf is changed, and its leaf.
    fn between(&mut self, name: &str, change: impl FnOnce(&mut Text), leaf: impl FnOnce(&mut Text)) {
        let (middle, leaf) = self.middle_der(change, leaf);
        let context = roots(&[&self.root_der]);
        self.add(name, vec![leaf, middle], context);
    }

    /// A peer of a root that is changed.
    fn rooted(&mut self, name: &str, change: impl FnOnce(&mut Text)) {
        let mut text = authority_text("root", "root");
        change(&mut text);
        let root = text.sign(&self.root, &self.root);
        let chain = vec![self.leaf_der(|_| {})];
        self.add(name, chain, roots(&[&root]));
    }

    /// A chain of so many authorities between root and leaf.
    fn tower(&self, floors: usize) -> Vec<Der> {
        let names: Vec<_> = (0..floors).map(|floor| format!("floor {floor}")).collect();
        let mut chain = Vec::new();
        let mut above = ("root".to_owned(), &self.root);
        for name in &names {
            chain.insert(0, authority_text(name, &above.0).sign(&self.middle, above.1));
            above = (name.clone(), &self.middle);
        }
        chain.insert(0, leaf_text(&above.0).sign(&self.leaf, above.1));
        chain
    }
}

/// SHA-256 pins are made by who knows how; here is what they are made of.
fn public_key_info(key: &Key) -> Der {
    key.pair.subject_public_key_info()
}

fn unknown(critical: bool) -> Der {
    extension("1.2.3.4.5", critical, &[5, 0])
}

fn octets(bytes: &[u8]) -> Der {
    tlv(4, &[bytes])
}

fn numbered(text: &mut List, id: &str, critical: bool, value: &[u8]) {
    text.extensions.push(extension(id, critical, value));
}

/// Of a certificate, or a key.
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    let suite = rustls::crypto::aws_lc_rs::cipher_suite::TLS13_AES_128_GCM_SHA256;
    let hash = suite.tls13().expect("a suite of TLS 1.3").common.hash_provider.hash(bytes);
    hash.as_ref().try_into().expect("32 octets")
}

/// As a pin of a certificate, or an id, is written.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// As a pin of a key is written.
pub fn base64(bytes: &[u8]) -> String {
    pem("X", bytes).lines().nth(1).unwrap_or_default().to_owned()
}
