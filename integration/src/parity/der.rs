//! Certificates and revocation lists octet by octet, so that the table of peers can hold what no library would write. Used by
//! [`super::peers`].

use rcgen::{KeyPair, PublicKeyData, SigningKey};

/// An encoded value.
pub type Der = Vec<u8>;

/// Tag, length, content.
pub fn tlv(tag: u8, parts: &[&[u8]]) -> Der {
    let content = parts.concat();
    let mut out = vec![tag];
    match content.len() {
        short @ 0..0x80 => out.push(short as u8),
        long @ 0x80..0x100 => out.extend([0x81, long as u8]),
        longer => out.extend([0x82, (longer >> 8) as u8, longer as u8]),
    }
    out.extend(content);
    out
}

/// SEQUENCE.
pub fn seq(parts: &[&[u8]]) -> Der {
    tlv(0x30, parts)
}

/// OBJECT IDENTIFIER.
pub fn oid(text: &str) -> Der {
    let numbers: Vec<u32> = text.split('.').map(|part| part.parse().expect("a number")).collect();
    let mut out = vec![(numbers[0] * 40 + numbers[1]) as u8];
    for number in &numbers[2..] {
        let mut octets = vec![(number & 0x7f) as u8];
        let mut rest = number >> 7;
        while rest > 0 {
            octets.insert(0, (rest & 0x7f) as u8 | 0x80);
            rest >>= 7;
        }
        out.extend(octets);
    }
    tlv(6, &[&out])
}

/// UTCTime of 13 or other letters, GeneralizedTime of 15.
pub fn time(text: &str) -> Der {
    tlv(if text.len() == 15 { 0x18 } else { 0x17 }, &[text.as_bytes()])
}

/// A name of one common name; empty text makes an empty name.
pub fn name(text: &str) -> Der {
    match text {
        "" => seq(&[]),
        text => seq(&[&tlv(0x31, &[&seq(&[&oid("2.5.4.3"), &tlv(0x0c, &[text.as_bytes()])])])]),
    }
}

/// An extension; its value is encoded already.
pub fn extension(id: &str, critical: bool, value: &[u8]) -> Der {
    let critical: &[u8] = if critical { &[1, 1, 0xff] } else { &[] };
    seq(&[&oid(id), critical, &tlv(4, &[value])])
}

/// basicConstraints.
pub fn constraints(ca: bool, path_length: Option<u8>) -> Der {
    let ca: &[u8] = if ca { &[1, 1, 0xff] } else { &[] };
    let length = path_length.map(|length| vec![2, 1, length]).unwrap_or_default();
    extension("2.5.29.19", true, &seq(&[ca, &length]))
}

/// keyUsage; bit 0x80 is digitalSignature, 0x20 keyEncipherment, 0x04 keyCertSign, 0x02 cRLSign.
pub fn usage(bits: u8) -> Der {
    let unused = if bits == 0 { 0 } else { bits.trailing_zeros() as u8 };
    let value = if bits == 0 { vec![3, 1, 0] } else { vec![3, 2, unused, bits] };
    extension("2.5.29.15", true, &value)
}

/// extendedKeyUsage by the last number under id-kp, or whole identifiers.
pub fn extended(uses: &[&str]) -> Der {
    let uses: Vec<u8> = uses.iter().flat_map(|id| oid(id)).collect();
    extension("2.5.29.37", false, &seq(&[&uses]))
}

/// serverAuth.
pub const SERVER: &str = "1.3.6.1.5.5.7.3.1";
/// clientAuth.
pub const CLIENT: &str = "1.3.6.1.5.5.7.3.2";

/// rfc822Name.
pub fn email(text: &str) -> Der {
    tlv(0x81, &[text.as_bytes()])
}

/// dNSName.
pub fn dns(text: impl AsRef<[u8]>) -> Der {
    tlv(0x82, &[text.as_ref()])
}

/// uniformResourceIdentifier.
pub fn uri(text: impl AsRef<[u8]>) -> Der {
    tlv(0x86, &[text.as_ref()])
}

/// iPAddress.
pub fn ip(octets: &[u8]) -> Der {
    tlv(0x87, &[octets])
}

/// directoryName.
pub fn directory(text: &str) -> Der {
    tlv(0xa4, &[&name(text)])
}

/// otherName of a UTF-8 text.
pub fn other(id: &str, text: &str) -> Der {
    tlv(0xa0, &[&oid(id), &tlv(0xa0, &[&tlv(0x0c, &[text.as_bytes()])])])
}

/// subjectAltName.
pub fn sans(names: &[Der]) -> Der {
    extension("2.5.29.17", false, &seq(&[&names.concat()]))
}

/// nameConstraints of permitted and excluded subtrees.
pub fn name_constraints(critical: bool, permitted: &[Der], excluded: &[Der]) -> Der {
    let trees = |tag: u8, names: &[Der]| match names {
        [] => Vec::new(),
        names => tlv(tag, &[&names.iter().flat_map(|name| seq(&[name])).collect::<Vec<u8>>()]),
    };
    extension("2.5.29.30", critical, &seq(&[&trees(0xa0, permitted), &trees(0xa1, excluded)]))
}

/// certificatePolicies.
pub fn policies(critical: bool, ids: &[&str]) -> Der {
    let ids: Vec<u8> = ids.iter().flat_map(|id| seq(&[&oid(id)])).collect();
    extension("2.5.29.32", critical, &seq(&[&ids]))
}

/// A key and how it signs.
pub struct Key {
    /// The pair.
    pub pair: KeyPair,
    algorithm: Der,
}

impl Key {
    /// P-256.
    pub fn new() -> Key {
        Key::of(&rcgen::PKCS_ECDSA_P256_SHA256, "1.2.840.10045.4.3.2")
    }

    /// Of another kind: rcgen's, and the identifier of its signatures.
    pub fn of(kind: &'static rcgen::SignatureAlgorithm, id: &str) -> Key {
        let null: &[u8] = if id.starts_with("1.2.840.113549") { &[5, 0] } else { &[] };
        Key { pair: KeyPair::generate_for(kind).expect("a kind of key"), algorithm: seq(&[&oid(id), null]) }
    }

    fn sign(&self, content: &[u8]) -> Der {
        self.pair.sign(content).expect("the key signs")
    }
}

impl Default for Key {
    fn default() -> Self {
        Key::new()
    }
}

/// What a certificate says.
#[derive(Clone)]
pub struct Text {
    /// 2 is version 3; `None` leaves it out, which is version 1.
    pub version: Option<u8>,
    /// Content of the INTEGER.
    pub serial: Vec<u8>,
    /// Encoded name.
    pub issuer: Der,
    /// Encoded name.
    pub subject: Der,
    /// See [`time`].
    pub from: &'static str,
    /// See [`time`].
    pub until: &'static str,
    /// Encoded extensions.
    pub extensions: Vec<Der>,
    /// Spoils the signature.
    pub spoiled: bool,
    /// Octets after the certificate.
    pub tail: Vec<u8>,
    /// Says another algorithm inside than outside.
    pub two_algorithms: bool,
}

impl Text {
    /// Of a common name, from one, long valid.
    pub fn new(subject: &str, issuer: &str, extensions: Vec<Der>) -> Text {
        Text {
            version: Some(2),
            serial: vec![0x11],
            issuer: name(issuer),
            subject: name(subject),
            from: "200101000000Z",
            until: "491231235959Z",
            extensions,
            spoiled: false,
            tail: Vec::new(),
            two_algorithms: false,
        }
    }

    /// The certificate of a key, signed by another.
    pub fn sign(&self, key: &Key, signer: &Key) -> Der {
        let version = self.version.map(|version| tlv(0xa0, &[&[2, 1, version]])).unwrap_or_default();
        let extensions = match self.extensions.is_empty() {
            true => Vec::new(),
            false => tlv(0xa3, &[&seq(&[&self.extensions.concat()])]),
        };
        let inside = if self.two_algorithms { seq(&[&oid("1.2.840.10045.4.3.3")]) } else { signer.algorithm.clone() };
        let content = seq(&[
            &version,
            &tlv(2, &[&self.serial]),
            &inside,
            &self.issuer,
            &seq(&[&time(self.from), &time(self.until)]),
            &self.subject,
            &key.pair.subject_public_key_info(),
            &extensions,
        ]);
        let mut der = signed(&content, signer, self.spoiled);
        der.extend(&self.tail);
        der
    }
}

/// What a revocation list says.
#[derive(Clone)]
pub struct List {
    /// 1 is version 2; `None` leaves it out.
    pub version: Option<u8>,
    /// Common name.
    pub issuer: &'static str,
    /// See [`time`].
    pub from: &'static str,
    /// See [`time`]; `None` leaves it out.
    pub until: Option<&'static str>,
    /// Serial numbers, with their encoded extensions.
    pub revoked: Vec<(u8, Vec<Der>)>,
    /// Encoded extensions.
    pub extensions: Vec<Der>,
    /// Spoils the signature.
    pub spoiled: bool,
}

impl List {
    /// Valid, numbered, of these serial numbers.
    pub fn new(issuer: &'static str, revoked: &[u8]) -> List {
        List {
            version: Some(1),
            issuer,
            from: "200101000000Z",
            until: Some("491231235959Z"),
            revoked: revoked.iter().map(|serial| (*serial, Vec::new())).collect(),
            extensions: vec![extension("2.5.29.20", false, &[2, 1, 1])],
            spoiled: false,
        }
    }

    /// The list.
    pub fn sign(&self, signer: &Key) -> Der {
        let version = self.version.map(|version| vec![2, 1, version]).unwrap_or_default();
        let entry = |(serial, extensions): &(u8, Vec<Der>)| {
            let extensions = if extensions.is_empty() { Vec::new() } else { seq(&[&extensions.concat()]) };
            seq(&[&[2, 1, *serial], &time("200601000000Z"), &extensions])
        };
        let entries: Vec<u8> = self.revoked.iter().flat_map(entry).collect();
        let extensions = match self.extensions.is_empty() {
            true => Vec::new(),
            false => tlv(0xa0, &[&seq(&[&self.extensions.concat()])]),
        };
        let content = seq(&[
            &version,
            &signer.algorithm,
            &name(self.issuer),
            &time(self.from),
            &self.until.map(time).unwrap_or_default(),
            &if entries.is_empty() { Vec::new() } else { seq(&[&entries]) },
            &extensions,
        ]);
        signed(&content, signer, self.spoiled)
    }
}

fn signed(content: &[u8], signer: &Key, spoiled: bool) -> Der {
    let mut signature = signer.sign(content);
    if spoiled && let Some(last) = signature.last_mut() {
        *last ^= 1;
    }
    seq(&[content, &signer.algorithm, &tlv(3, &[&[0], &signature])])
}
