//! The words, numbers, texts and signs of an expression. Called by the parser.

use super::Fault;

/// What a piece is; what it says is in the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Token {
    Word,
    /// Without a sign.
    Number,
    /// With its quotes, and the letters before them.
    Text,
    Sign(&'static str),
    End,
}

/// Longer ones first.
const SIGNS: [&str; 25] = [
    "==", "!=", "<=", ">=", "&&", "||", "<", ">", "!", "-", "+", "*", "/", "%", "?", ":", ",", ".", "(", ")", "[", "]",
    "{", "}", "in",
];

/// All pieces, and which is next.
pub(super) struct Lexer<'t> {
    text: &'t str,
    pieces: Vec<(Token, usize, usize)>,
    next: usize,
}

impl<'t> Lexer<'t> {
    pub fn new(text: &'t str) -> Result<Lexer<'t>, Fault> {
        let mut pieces = Vec::new();
        let mut at = 0;
        loop {
            at += blank(&text[at..]);
            let rest = &text[at..];
            let (token, length) = if rest.is_empty() {
                (Token::End, 0)
            } else if let Some(length) = quoted(rest).map_err(|reason| Fault::new(at, reason))? {
                (Token::Text, length)
            } else if let Some(length) = number(rest) {
                (Token::Number, length)
            } else if let Some(length) = word(rest) {
                (if &rest[..length] == "in" { Token::Sign("in") } else { Token::Word }, length)
            } else if let Some(sign) = SIGNS.iter().find(|sign| rest.starts_with(**sign)) {
                (Token::Sign(sign), sign.len())
            } else {
                let letter = rest.chars().next().unwrap_or_default();
                return Err(Fault::new(at, format!("{letter:?} is no part of an expression")));
            };
            let is_over = token == Token::End;
            pieces.push((token, at, at + length));
            if is_over {
                return Ok(Lexer { text, pieces, next: 0 });
            }
            at += length;
        }
    }

    /// The last piece is the end, and nothing comes behind it.
    fn piece(&self, ahead: usize) -> &(Token, usize, usize) {
        &self.pieces[(self.next + ahead).min(self.pieces.len() - 1)]
    }

    pub fn peek(&self) -> &Token {
        &self.piece(0).0
    }

    /// What the piece says.
    pub fn current(&self) -> &'t str {
        let (_, from, to) = self.piece(0);
        &self.text[*from..*to]
    }

    /// Where it begins.
    pub fn offset(&self) -> usize {
        self.piece(0).1
    }

    /// Goes on.
    pub fn skip(&mut self) {
        self.next += 1;
    }

    /// Goes on if this is the sign.
    pub fn takes(&mut self, sign: &str) -> bool {
        let is_it = matches!(self.peek(), Token::Sign(one) if *one == sign);
        self.next += usize::from(is_it);
        is_it
    }

    /// This is a minus, and the next a number that may have one.
    pub fn is_number_behind_minus(&self) -> bool {
        let (token, from, to) = self.piece(1);
        *self.peek() == Token::Sign("-") && *token == Token::Number && !self.text[*from..*to].ends_with(['u', 'U'])
    }
}

/// White space and comments.
fn blank(text: &str) -> usize {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches([' ', '\t', '\r', '\n', '\u{c}']);
        match rest.strip_prefix("//") {
            Some(comment) => rest = &comment[comment.find('\n').unwrap_or(comment.len())..],
            None => return text.len() - rest.len(),
        }
    }
}

fn word(text: &str) -> Option<usize> {
    let is_letter = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
    let length = text.find(|letter| !is_letter(letter)).unwrap_or(text.len());
    (length > 0 && !text.starts_with(|letter: char| letter.is_ascii_digit())).then_some(length)
}

fn digits(text: &str) -> usize {
    text.find(|letter: char| !letter.is_ascii_digit()).unwrap_or(text.len())
}

fn number(text: &str) -> Option<usize> {
    if let Some(hex) = text.strip_prefix("0x") {
        let length = hex.find(|letter: char| !letter.is_ascii_hexdigit()).unwrap_or(hex.len());
        if length > 0 {
            return Some(2 + length + usize::from(hex[length..].starts_with(['u', 'U'])));
        }
    }
    let whole = digits(text);
    let mut end = whole;
    if let Some(part) = text[whole..].strip_prefix('.') {
        let part = digits(part);
        end += if part > 0 { 1 + part } else { 0 };
    }
    if end == 0 {
        return None;
    }
    if let Some(exponent) = text[end..].strip_prefix(['e', 'E']) {
        let sign = usize::from(exponent.starts_with(['+', '-']));
        let part = digits(&exponent[sign..]);
        if part > 0 {
            return Some(end + 1 + sign + part);
        }
    }
    let is_whole = end == whole;
    Some(end + usize::from(is_whole && text[end..].starts_with(['u', 'U'])))
}

/// How long a text in quotes is.
fn quoted(text: &str) -> Result<Option<usize>, String> {
    let inside = text.strip_prefix(['b', 'B']).unwrap_or(text);
    let (raw, inside) = match inside.strip_prefix(['r', 'R']) {
        Some(inside) => (true, inside),
        None => (false, inside),
    };
    let Some(quotes) = ["'''", "\"\"\"", "'", "\""].into_iter().find(|quotes| inside.starts_with(quotes)) else {
        return Ok(None);
    };
    let mut at = text.len() - inside.len() + quotes.len();
    while let Some(letter) = text[at..].chars().next() {
        if text[at..].starts_with(quotes) {
            return Ok(Some(at + quotes.len()));
        }
        if quotes.len() == 1 && matches!(letter, '\n' | '\r') {
            break;
        }
        at += letter.len_utf8();
        if letter == '\\' && !raw {
            at += text[at..].chars().next().map_or(0, char::len_utf8);
        }
    }
    Err(format!("the text that begins here has no closing {quotes}"))
}
