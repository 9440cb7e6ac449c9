//! Reads what callgrind writes: what each source file cost of itself on one thread, and how often memory was asked for.

use std::collections::HashMap;

/// What one thread did from its beginning to its end.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Profile {
    /// Instructions of each place. Code that the compiler put into a function of ours belongs to the file that it was written in, where
    /// that is ours, else to the function.
    pub places: HashMap<Place, u64>,
    /// Calls of `malloc` and its like.
    pub allocations: u64,
    /// Instructions within the tasks of downstream connections: what requests do, without the runtime around it and without what runs by
    /// the clock. The same each time.
    pub served: u64,
}

/// Where instructions were spent.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Place {
    /// Source file; the object's, where it has none.
    pub file: String,
    /// The function, for code without a file.
    pub function: String,
}

impl Profile {
    /// All of it.
    pub fn total(&self) -> u64 {
        self.places.values().sum()
    }

    /// Out of the text of one file. Lines that are not known are passed over, as the format's description wants it.
    pub fn parse(text: &str) -> Profile {
        let mut reader = Reader::default();
        text.lines().for_each(|line| reader.line(line));
        reader.profile
    }
}

/// The format names things once and speaks of them by number afterwards.
#[derive(Default)]
struct Names(HashMap<String, String>);

impl Names {
    fn read(&mut self, value: &str) -> String {
        match value.split_once(") ") {
            Some((number, name)) => {
                self.0.insert(number.to_owned(), name.to_owned());
                name.to_owned()
            }
            None => self.0.get(value.trim_end_matches(')')).cloned().unwrap_or_else(|| value.to_owned()),
        }
    }
}

#[derive(Default)]
struct Reader {
    files: Names,
    functions: Names,
    objects: Names,
    object: String,
    /// Of the function, and of the line.
    file: String,
    inlined: String,
    function: String,
    called: String,
    /// The next line tells what calls of it have cost.
    after_call: bool,
    profile: Profile,
}

impl Reader {
    fn line(&mut self, line: &str) {
        if let Some((key, value)) = line.split_once('=') {
            match key {
                "ob" => self.object = self.objects.read(value),
                "fl" => {
                    self.file = self.files.read(value);
                    self.inlined.clone_from(&self.file);
                }
                "fi" | "fe" => self.inlined = self.files.read(value),
                "fn" => {
                    self.function = self.functions.read(value);
                    self.inlined.clone_from(&self.file);
                }
                "cob" => drop(self.objects.read(value)),
                "cfi" | "cfl" => drop(self.files.read(value)),
                "cfn" => self.called = self.functions.read(value),
                "calls" => {
                    let count = value.split_whitespace().next().and_then(|count| count.parse::<u64>().ok());
                    if allocates(&self.called) {
                        self.profile.allocations += count.unwrap_or(0);
                    }
                    self.after_call = true;
                }
                _ => {}
            }
            return;
        }
        if !line.starts_with(|first: char| first.is_ascii_digit() || matches!(first, '+' | '-' | '*')) {
            return;
        }
        let cost = line.split_whitespace().nth(1).and_then(|cost| cost.parse::<u64>().ok()).unwrap_or(0);
        if std::mem::take(&mut self.after_call) {
            if self.called == SERVED {
                self.profile.served += cost;
            }
            return;
        }
        let place = self.place();
        *self.profile.places.entry(place).or_default() += cost;
    }

    fn place(&self) -> Place {
        let file = [&self.inlined, &self.file].into_iter().find(|file| is_ours(file)).unwrap_or(&self.file);
        let file = if file == "???" { &self.object } else { file };
        Place { file: file.clone(), function: self.function.clone() }
    }
}

/// Code of the libraries of the language is the function's that asked for it.
fn is_ours(file: &str) -> bool {
    file != "???" && !file.starts_with("/rustc/") && !file.contains("/rustlib/")
}

/// The task of a downstream connection. Nobody calls it but the runtime.
const SERVED: &str = "proxy::listener::connection::run::{{closure}}";

fn allocates(function: &str) -> bool {
    matches!(function, "malloc" | "calloc" | "realloc" | "posix_memalign" | "aligned_alloc" | "memalign")
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "\
version: 1
events: Ir

ob=(1) /bin/outrigger
fl=(1) proxy/src/http/exchange.rs
fn=(1) serve
10 100
fi=(2) /rustc/1234/library/core/src/option.rs
700 7
fi=(3) proxy/src/wire/headers.rs
20 5
fe=(1)
11 1
cob=(2) /lib/libc.so.6
cfi=(4) ???
cfn=(2) malloc
calls=3 0
12 999
fl=(5) tokio/src/task.rs
fn=(3) poll
cfi=(6) proxy/src/listener/connection.rs
cfn=(4) proxy::listener::connection::run::{{closure}}
calls=2 7
30 1100
ob=(2)
fl=(4)
fn=(2)
0 60

totals: 173
";

    #[test]
    fn costs_belong_to_where_they_were_written() {
        let profile = Profile::parse(FILE);
        let of = |file: &str, function: &str| {
            profile.places[&Place { file: file.to_owned(), function: function.to_owned() }]
        };
        assert_eq!(
            of("proxy/src/http/exchange.rs", "serve"),
            108,
            "what the language's library does for it is its own"
        );
        assert_eq!(of("proxy/src/wire/headers.rs", "serve"), 5);
        assert_eq!(of("/lib/libc.so.6", "malloc"), 60);
        assert_eq!((profile.total(), profile.allocations, profile.served), (173, 3, 1100));
    }
}
