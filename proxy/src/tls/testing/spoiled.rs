//! Keys that are broken in every way that was ever seen, and a search for what of them is said. Tests alone call it.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

/// A key or chain, spoiled in many ways.
pub fn spoiled(text: &str) -> Vec<String> {
    let lines: Vec<_> = text.lines().collect();
    let body = lines[1..lines.len() - 1].concat();
    let mut all = vec![
        text.replace('\n', ""),
        text.replace('\n', " "),
        text.replace('\n', "\\n"),
        text.replace('\n', "\r"),
        text.replace('\n', "\r\n"),
        text.replace('\n', "\n\n"),
        text.replace('\n', "\n  "),
        format!("{text}{text}"),
        format!("{}{text}", &text[..text.len() / 2]),
        text.replace("-----", "----"),
        text.replace("BEGIN", "begin"),
        text.replace("BEGIN ", "BEGIN ENCRYPTED "),
        text.replace("PRIVATE KEY", "CERTIFICATE"),
        text.replace("CERTIFICATE", "PRIVATE KEY"),
        text.replace("PRIVATE KEY", "RSA PRIVATE KEY"),
        text.replace("PRIVATE KEY-----\n", "PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n"),
        body.clone(),
        STANDARD.encode(text),
        format!("-----BEGIN {body}-----\n{body}\n-----END {body}-----\n"),
        format!("-----BEGIN PRIVATE KEY-----{body}"),
        text.replacen(&body[..8], "!!!!!!!!", 1),
        text.chars().rev().collect(),
        text.to_lowercase(),
        format!("\u{feff}{text}").replace('\n', "\u{2028}"),
    ];
    let cuts = (1..45).map(|part| text.len() * part / 45);
    all.extend(cuts.clone().map(|cut| text[..cut].to_owned()));
    all.extend(cuts.map(|cut| format!("{}\0{}", &text[..cut], &text[cut..])));
    all
}

/// What of a P-256 key in PKCS#8 only its owner knows, in every coding that a message might have.
pub struct Marks(HashSet<Vec<u8>>);

impl Marks {
    const LENGTH: usize = 12;

    pub fn of(key: &str) -> Marks {
        let body: String = key.lines().filter(|line| !line.starts_with("--")).collect();
        // Before it stand the algorithm and the curve, behind it the public key.
        let secret = &body[48..88];
        let der = STANDARD.decode(&body).unwrap()[36..66].to_vec();
        let decimal = |octets: &[u8]| octets.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
        let hex = |octets: &[u8]| octets.iter().map(|octet| format!("{octet:02x}")).collect::<String>();
        let mut codings = vec![secret.to_owned(), hex(&der), hex(secret.as_bytes())];
        codings.extend([decimal(&der), decimal(secret.as_bytes()), format!("{:?}", der.escape_ascii().to_string())]);
        // Base64 of the text, at each place where it may begin.
        codings.extend((0..3).map(|from| STANDARD.encode(&secret[from..]).trim_end_matches('=').to_owned()));
        let mut marks = HashSet::new();
        for coding in codings {
            let coding = coding.to_lowercase();
            marks.extend(coding.as_bytes().windows(Self::LENGTH).map(<[u8]>::to_vec));
            let reversed: Vec<u8> = coding.bytes().rev().collect();
            marks.extend(reversed.windows(Self::LENGTH).map(<[u8]>::to_vec));
        }
        Marks(marks)
    }

    /// Whether a text holds some of it, broken into lines or not, in whatever case.
    pub fn in_text(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        let squeezed = text.replace("\\n", "").replace("\\r", "").replace(['\n', '\r', '\0'], "");
        let found = |text: &str| text.as_bytes().windows(Self::LENGTH).any(|window| self.0.contains(window));
        found(&text) || found(&squeezed)
    }
}
