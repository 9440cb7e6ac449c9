//! BoringSSL's language for lists of cipher suites, as `cipher_suites` speaks it: names and aliases, `+` between those that must hold
//! together, `-`, `!` and `+` before them, groups of equal preference, `@STRENGTH`. Pure; called once a context.

use rustls::SupportedCipherSuite;

use super::known::{ALIASES, CIPHERS, Cipher, Selector, TLS13_NAMES};

/// What a list asks for.
#[derive(Debug, Default)]
pub(in crate::tls) struct Preference {
    /// Those that there are here, in order.
    pub suites: Vec<SupportedCipherSuite>,
    /// How many in a row are equal to us; the sum is the number of suites.
    pub groups: Vec<usize>,
    /// Those that there are not.
    pub missing: Vec<&'static str>,
}

/// What is wrong with a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    /// No suite and no alias has this name, or a sign stands for nothing.
    Unknown,
    /// Groups have no operators but `|`, are not nested, and end.
    Group,
    /// `-`, `!`, `+` or `@` beside a group.
    Mixed,
}

/// Reads a list with `:` between rules.
pub(super) fn read(text: &str) -> Result<Preference, Fault> {
    let mut list = List::new();
    // As first word, everything.
    let text = match text.strip_prefix("DEFAULT") {
        Some(rest) if rest.is_empty() || rest.starts_with(':') => {
            list.apply(Action::Add, &Selector::ANY, false);
            rest
        }
        _ => text,
    };
    let mut parser = Parser { rest: text, in_group: false, has_group: false };
    while let Some((action, selector)) = parser.next(&mut list)? {
        match selector {
            Some(selector) => list.apply(action, &selector, parser.in_group),
            None => list.sort_by_strength(),
        }
    }
    Ok(list.preference())
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Action {
    Add,
    Delete,
    MoveToEnd,
    Kill,
    Special,
}

struct Parser<'t> {
    rest: &'t str,
    in_group: bool,
    has_group: bool,
}

impl<'t> Parser<'t> {
    /// The next rule; one without a selector sorts by strength.
    fn next(&mut self, list: &mut List) -> Result<Option<(Action, Option<Selector>)>, Fault> {
        loop {
            let Some(first) = self.rest.chars().next() else {
                return if self.in_group { Err(Fault::Group) } else { Ok(None) };
            };
            let mut action = Action::Add;
            match (first, self.in_group) {
                (']', true) => {
                    list.end_group();
                    self.in_group = false;
                    self.skip();
                    continue;
                }
                ('|', true) => {
                    self.skip();
                    continue;
                }
                (letter, true) if !letter.is_ascii_alphanumeric() => return Err(Fault::Group),
                ('[', false) => {
                    (self.in_group, self.has_group) = (true, true);
                    self.skip();
                    continue;
                }
                (':', false) => {
                    self.skip();
                    continue;
                }
                ('-', false) => action = Action::Delete,
                ('!', false) => action = Action::Kill,
                ('+', false) => action = Action::MoveToEnd,
                ('@', false) => action = Action::Special,
                _ => {}
            }
            if action != Action::Add {
                self.skip();
            }
            if self.has_group && action != Action::Add {
                return Err(Fault::Mixed);
            }
            if action == Action::Special {
                return if self.word() == "STRENGTH" { Ok(Some((action, None))) } else { Err(Fault::Unknown) };
            }
            return Ok(Some((action, Some(self.selector()?))));
        }
    }

    /// A name, or aliases with `+` between.
    fn selector(&mut self) -> Result<Selector, Fault> {
        let mut selector = Selector::ANY;
        let mut is_first = true;
        loop {
            let word = self.word();
            if word.is_empty() {
                return Err(Fault::Unknown);
            }
            let goes_on = self.rest.starts_with('+');
            let named = |cipher: &&Cipher| cipher.name == word || cipher.standard == word;
            if is_first && !goes_on {
                if let Some(cipher) = CIPHERS.iter().find(named) {
                    return Ok(Selector::of(cipher));
                }
                if TLS13_NAMES.contains(&word) {
                    // They are always there.
                    return Ok(Selector::NOTHING);
                }
            }
            let Some((_, alias)) = ALIASES.iter().find(|(name, _)| *name == word) else { return Err(Fault::Unknown) };
            selector = selector.and(alias);
            if !goes_on {
                return Ok(selector);
            }
            self.skip();
            is_first = false;
        }
    }

    fn word(&mut self) -> &'t str {
        let is_name = |letter: char| letter.is_ascii_alphanumeric() || matches!(letter, '-' | '.' | '_');
        let end = self.rest.find(|letter| !is_name(letter)).unwrap_or(self.rest.len());
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word
    }

    fn skip(&mut self) {
        let mut letters = self.rest.chars();
        letters.next();
        self.rest = letters.as_str();
    }
}

/// All suites, those that are asked for among them.
struct List(Vec<Entry>);

#[derive(Clone, Copy)]
struct Entry {
    cipher: &'static Cipher,
    is_active: bool,
    /// The one behind it is as good.
    in_group: bool,
}

impl List {
    fn new() -> List {
        List(CIPHERS.iter().map(|cipher| Entry { cipher, is_active: false, in_group: false }).collect())
    }

    fn apply(&mut self, action: Action, selector: &Selector, in_group: bool) {
        let (fitting, mut others): (Vec<Entry>, Vec<Entry>) = self.0.iter().partition(|entry| {
            let concerned = match action {
                Action::Add => !entry.is_active,
                Action::Delete | Action::MoveToEnd => entry.is_active,
                Action::Kill => true,
                Action::Special => false,
            };
            concerned && selector.fits(entry.cipher)
        });
        let changed =
            |is_active, in_group| fitting.iter().map(move |entry| Entry { cipher: entry.cipher, is_active, in_group });
        match action {
            Action::Add => others.extend(changed(true, in_group)),
            Action::MoveToEnd => others.extend(changed(true, false)),
            // What is deleted and added again comes first.
            Action::Delete => others.splice(0..0, changed(false, false)).for_each(drop),
            Action::Kill | Action::Special => {}
        }
        self.0 = others;
    }

    fn end_group(&mut self) {
        if let Some(last) = self.0.last_mut() {
            last.in_group = false;
        }
    }

    /// Longer keys first; otherwise as before.
    fn sort_by_strength(&mut self) {
        let (mut active, others): (Vec<Entry>, Vec<Entry>) = self.0.iter().partition(|entry| entry.is_active);
        active.sort_by_key(|entry| std::cmp::Reverse(entry.cipher.bits));
        active.iter_mut().for_each(|entry| entry.in_group = false);
        self.0 = others;
        self.0.append(&mut active);
    }

    fn preference(self) -> Preference {
        let mut preference = Preference::default();
        let mut group = 0;
        for entry in self.0.iter().filter(|entry| entry.is_active) {
            match entry.cipher.suite {
                Some(suite) => {
                    preference.suites.push(suite);
                    group += 1;
                }
                None => preference.missing.push(entry.cipher.name),
            }
            if !entry.in_group && group > 0 {
                preference.groups.push(std::mem::take(&mut group));
            }
        }
        preference
    }
}

#[cfg(test)]
mod tests;
