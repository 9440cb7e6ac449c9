//! The format of the parity tables in `integration/parity`: raw bytes and measured answers. Read by the parity test here and, as the
//! same file, by the tests of `proxy/src/http/h1`. It knows nothing of HTTP and depends on nothing.

/// One case: a name and its lines.
#[derive(Debug, Clone, Default)]
pub struct Case {
    /// What stands in brackets.
    pub name: String,
    lines: Vec<(String, String)>,
}

impl Case {
    /// All values of a key, as written.
    pub fn all(&self, key: &str) -> Vec<&str> {
        self.lines.iter().filter(|(name, _)| name == key).map(|(_, value)| value.as_str()).collect()
    }

    /// Whether a key stands there at all.
    pub fn has(&self, key: &str) -> bool {
        self.lines.iter().any(|(name, _)| name == key)
    }

    /// The bytes of a key's first value, without escapes and repetitions.
    pub fn bytes(&self, key: &str) -> Option<Vec<u8>> {
        let text = *self.all(key).first()?;
        Some(unescape(&repeat(text.strip_suffix(END).unwrap_or(text))))
    }

    /// Whether a key's value says that the sender closes its direction afterwards.
    pub fn ends(&self, key: &str) -> bool {
        self.all(key).first().is_some_and(|text| text.ends_with(END))
    }

    /// What is expected of Outrigger: `ours` where it differs, else `envoy`.
    pub fn expected(&self) -> Vec<&str> {
        if self.has("ours") { self.all("ours") } else { self.all("envoy") }
    }
}

/// Reads a table. Keys take the first nine columns of a line.
///
/// # Panics
/// When the table is not well-formed: it is part of the tests.
pub fn read(table: &str) -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in table.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_prefix('[') {
            cases.push(Case { name: name.trim_end_matches(']').to_owned(), lines: Vec::new() });
        } else {
            let (key, value) = line.split_at_checked(9).unwrap_or((line, ""));
            let case = cases.last_mut().expect("a case begins with its name");
            case.lines.push((key.trim_end().to_owned(), value.to_owned()));
        }
    }
    cases
}

const END: &str = "{EOF}";

/// `{unit*count}`, with `{i}` inside the unit for the index. At most one in a text.
fn repeat(text: &str) -> String {
    let star = text.find('*').filter(|star| text[star + 1..].starts_with(|next: char| next.is_ascii_digit()));
    let Some((star, end)) = star.and_then(|star| Some((star, star + text[star..].find('}')?))) else {
        return text.to_owned();
    };
    let mut depth = 0;
    let start = text[..star].rfind(|next| {
        depth += i32::from(next == '}') - i32::from(next == '{');
        depth < 0
    });
    let start = start.expect("a repetition is opened");
    let unit = &text[start + 1..star];
    let count: usize = text[star + 1..end].parse().expect("a count");
    let middle: String = (0..count).map(|index| unit.replace("{i}", &index.to_string())).collect();
    format!("{}{middle}{}", &text[..start], &text[end + 1..])
}

/// Takes `\r \n \t \\ \xHH` for what they stand for.
pub fn unescape(text: &str) -> Vec<u8> {
    let mut out = Vec::new();
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        if byte != b'\\' {
            out.push(byte);
            continue;
        }
        out.push(match bytes.next() {
            Some(b'r') => b'\r',
            Some(b'n') => b'\n',
            Some(b't') => b'\t',
            Some(b'x') => {
                let digits: String = bytes.by_ref().take(2).map(char::from).collect();
                u8::from_str_radix(&digits, 16).expect("two hexadecimal digits")
            }
            other => other.expect("something after a backslash"),
        });
    }
    out
}
