//! The cipher suites that BoringSSL has for TLS 1.2, in its order where the processor has AES, and its words for kinds of them. Those
//! without a `suite` are names only: rustls has none without forward secrecy or with CBC.

use rustls::SupportedCipherSuite;
use rustls::crypto::aws_lc_rs::cipher_suite as of;

/// A cipher suite and what aliases ask of it.
#[derive(Debug)]
pub(super) struct Cipher {
    /// OpenSSL's name.
    pub name: &'static str,
    /// IANA's.
    pub standard: &'static str,
    pub exchange: &'static str,
    pub signature: &'static str,
    pub cipher: &'static str,
    pub mac: &'static str,
    pub bits: u16,
    pub suite: Option<SupportedCipherSuite>,
}

macro_rules! ciphers {
    ($($name:literal $standard:literal $exchange:literal $signature:literal $cipher:literal $mac:literal $bits:literal $suite:expr;)*) => {
        &[$(Cipher {
            name: $name,
            standard: $standard,
            exchange: $exchange,
            signature: $signature,
            cipher: $cipher,
            mac: $mac,
            bits: $bits,
            suite: $suite,
        }),*]
    };
}

pub(super) const CIPHERS: &[Cipher] = ciphers! {
    "ECDHE-ECDSA-AES128-GCM-SHA256" "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256" "ECDHE" "ECDSA" "AES128GCM" "AEAD" 128 Some(of::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256);
    "ECDHE-RSA-AES128-GCM-SHA256" "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256" "ECDHE" "RSA" "AES128GCM" "AEAD" 128 Some(of::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256);
    "ECDHE-ECDSA-AES256-GCM-SHA384" "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384" "ECDHE" "ECDSA" "AES256GCM" "AEAD" 256 Some(of::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384);
    "ECDHE-RSA-AES256-GCM-SHA384" "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384" "ECDHE" "RSA" "AES256GCM" "AEAD" 256 Some(of::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384);
    "ECDHE-ECDSA-CHACHA20-POLY1305" "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256" "ECDHE" "ECDSA" "CHACHA20" "AEAD" 256 Some(of::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256);
    "ECDHE-RSA-CHACHA20-POLY1305" "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256" "ECDHE" "RSA" "CHACHA20" "AEAD" 256 Some(of::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256);
    "ECDHE-PSK-CHACHA20-POLY1305" "TLS_ECDHE_PSK_WITH_CHACHA20_POLY1305_SHA256" "ECDHE" "PSK" "CHACHA20" "AEAD" 256 None;
    "ECDHE-ECDSA-AES128-SHA" "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA" "ECDHE" "ECDSA" "AES128" "SHA1" 128 None;
    "ECDHE-RSA-AES128-SHA" "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA" "ECDHE" "RSA" "AES128" "SHA1" 128 None;
    "ECDHE-PSK-AES128-CBC-SHA" "TLS_ECDHE_PSK_WITH_AES_128_CBC_SHA" "ECDHE" "PSK" "AES128" "SHA1" 128 None;
    "ECDHE-ECDSA-AES256-SHA" "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA" "ECDHE" "ECDSA" "AES256" "SHA1" 256 None;
    "ECDHE-RSA-AES256-SHA" "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA" "ECDHE" "RSA" "AES256" "SHA1" 256 None;
    "ECDHE-PSK-AES256-CBC-SHA" "TLS_ECDHE_PSK_WITH_AES_256_CBC_SHA" "ECDHE" "PSK" "AES256" "SHA1" 256 None;
    "ECDHE-RSA-AES128-SHA256" "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256" "ECDHE" "RSA" "AES128" "SHA256" 128 None;
    "AES128-GCM-SHA256" "TLS_RSA_WITH_AES_128_GCM_SHA256" "RSA" "RSA" "AES128GCM" "AEAD" 128 None;
    "AES256-GCM-SHA384" "TLS_RSA_WITH_AES_256_GCM_SHA384" "RSA" "RSA" "AES256GCM" "AEAD" 256 None;
    "AES128-SHA" "TLS_RSA_WITH_AES_128_CBC_SHA" "RSA" "RSA" "AES128" "SHA1" 128 None;
    "PSK-AES128-CBC-SHA" "TLS_PSK_WITH_AES_128_CBC_SHA" "PSK" "PSK" "AES128" "SHA1" 128 None;
    "AES256-SHA" "TLS_RSA_WITH_AES_256_CBC_SHA" "RSA" "RSA" "AES256" "SHA1" 256 None;
    "PSK-AES256-CBC-SHA" "TLS_PSK_WITH_AES_256_CBC_SHA" "PSK" "PSK" "AES256" "SHA1" 256 None;
    "DES-CBC3-SHA" "TLS_RSA_WITH_3DES_EDE_CBC_SHA" "RSA" "RSA" "3DES" "SHA1" 112 None;
};

/// Suites of TLS 1.3 may be named, and are there in any case.
pub(super) const TLS13_NAMES: &[&str] =
    &["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"];

/// What a rule asks of a suite; an empty list asks nothing.
#[derive(Debug, Clone)]
pub(super) struct Selector {
    name: Option<&'static str>,
    exchange: &'static [&'static str],
    signature: &'static [&'static str],
    cipher: &'static [&'static str],
    mac: &'static [&'static str],
    /// Two aliases that exclude one another.
    is_empty: bool,
}

impl Selector {
    pub const ANY: Selector =
        Selector { name: None, exchange: &[], signature: &[], cipher: &[], mac: &[], is_empty: false };
    pub const NOTHING: Selector = Selector { is_empty: true, ..Selector::ANY };

    /// That suite alone.
    pub fn of(cipher: &Cipher) -> Selector {
        Selector { name: Some(cipher.name), ..Selector::ANY }
    }

    pub fn fits(&self, cipher: &Cipher) -> bool {
        if let Some(name) = self.name {
            return cipher.name == name;
        }
        let fits = |asked: &[&str], is: &str| asked.is_empty() || asked.contains(&is);
        // 3DES is had by its own name alone.
        let is_asked = cipher.cipher != "3DES" || !self.cipher.is_empty();
        !self.is_empty
            && is_asked
            && fits(self.exchange, cipher.exchange)
            && fits(self.signature, cipher.signature)
            && fits(self.cipher, cipher.cipher)
            && fits(self.mac, cipher.mac)
    }

    /// What both ask.
    pub fn and(&self, other: &Selector) -> Selector {
        let mut is_empty = self.is_empty || other.is_empty;
        let mut both = |one: &'static [&'static str], two: &'static [&'static str]| match (one, two) {
            ([], asked) | (asked, []) => asked,
            // Of two lists of ciphers one always holds the other, or they have nothing in common.
            _ if one.iter().all(|name| two.contains(name)) => one,
            _ if two.iter().all(|name| one.contains(name)) => two,
            _ => {
                let common = one.iter().find(|name| two.contains(name));
                is_empty |= common.is_none();
                common.map_or(&[][..], std::slice::from_ref)
            }
        };
        Selector {
            name: None,
            exchange: both(self.exchange, other.exchange),
            signature: both(self.signature, other.signature),
            cipher: both(self.cipher, other.cipher),
            mac: both(self.mac, other.mac),
            is_empty,
        }
    }
}

const fn exchange(names: &'static [&'static str]) -> Selector {
    Selector { exchange: names, ..Selector::ANY }
}

const fn signature(names: &'static [&'static str]) -> Selector {
    Selector { signature: names, ..Selector::ANY }
}

const fn cipher(names: &'static [&'static str]) -> Selector {
    Selector { cipher: names, ..Selector::ANY }
}

const fn mac(names: &'static [&'static str]) -> Selector {
    Selector { mac: names, ..Selector::ANY }
}

pub(super) const ALIASES: &[(&str, Selector)] = &[
    ("ALL", Selector::ANY),
    ("HIGH", Selector::ANY),
    ("FIPS", Selector::ANY),
    ("kRSA", exchange(&["RSA"])),
    ("kECDHE", exchange(&["ECDHE"])),
    ("kEECDH", exchange(&["ECDHE"])),
    ("ECDHE", exchange(&["ECDHE"])),
    ("EECDH", exchange(&["ECDHE"])),
    ("kPSK", exchange(&["PSK"])),
    ("aRSA", signature(&["RSA"])),
    ("aECDSA", signature(&["ECDSA"])),
    ("ECDSA", signature(&["ECDSA"])),
    ("aPSK", signature(&["PSK"])),
    ("RSA", Selector { signature: &["RSA"], ..exchange(&["RSA"]) }),
    ("PSK", Selector { signature: &["PSK"], ..exchange(&["PSK"]) }),
    ("3DES", cipher(&["3DES"])),
    ("AES128", cipher(&["AES128", "AES128GCM"])),
    ("AES256", cipher(&["AES256", "AES256GCM"])),
    ("AES", cipher(&["AES128", "AES256", "AES128GCM", "AES256GCM"])),
    ("AESGCM", cipher(&["AES128GCM", "AES256GCM"])),
    ("CHACHA20", cipher(&["CHACHA20"])),
    ("SHA1", mac(&["SHA1"])),
    ("SHA", mac(&["SHA1"])),
    ("SSLv3", mac(&["SHA1"])),
    ("TLSv1", mac(&["SHA1"])),
    ("TLSv1.2", mac(&["AEAD", "SHA256"])),
];
