//! The values that labels have, each once, by number. A number is given again when nobody holds its word any more. Called by this
//! folder's front, behind its lock.

use std::collections::HashMap;
use std::sync::Arc;

/// A word's number.
pub(super) type Word = u32;

#[derive(Default)]
pub(super) struct Words {
    numbers: HashMap<Arc<str>, Word, foldhash::fast::RandomState>,
    /// With how many hold it.
    all: Vec<(Arc<str>, u32)>,
    free: Vec<Word>,
}

impl Words {
    /// The number of a text, which is held once more.
    pub fn hold(&mut self, text: &str) -> Word {
        if let Some(word) = self.numbers.get(text) {
            self.all[*word as usize].1 += 1;
            return *word;
        }
        let text: Arc<str> = text.into();
        let word = match self.free.pop() {
            Some(word) => {
                self.all[word as usize] = (text.clone(), 1);
                word
            }
            None => {
                self.all.push((text.clone(), 1));
                // There are fewer than the labels of all sets, which are bounded.
                (self.all.len() - 1) as Word
            }
        };
        self.numbers.insert(text, word);
        word
    }

    /// It is held once less.
    pub fn release(&mut self, word: Word) {
        let (text, count) = &mut self.all[word as usize];
        *count -= 1;
        if *count == 0 {
            self.numbers.remove(&**text);
            *text = Arc::from("");
            self.free.push(word);
        }
    }

    /// The text of a number that somebody holds.
    pub fn text(&self, word: Word) -> &Arc<str> {
        &self.all[word as usize].0
    }

    /// All texts, by their numbers.
    pub fn texts(&self) -> Vec<Arc<str>> {
        self.all.iter().map(|(text, _)| text.clone()).collect()
    }
}
