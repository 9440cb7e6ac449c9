//! Whether two samples are of one distribution: Pearson's chi-square over the counts of a case. Pure; used by the tests.

use std::collections::BTreeMap;

/// Counts by name, of each part of a text. A part is a case, or the statistics.
fn parts(text: &str) -> Vec<(&str, BTreeMap<&str, f64>)> {
    let part = |part| {
        let lines = str::lines(part);
        let title = lines.clone().next().filter(|line| line.starts_with('#')).unwrap_or("statistics");
        let counts = lines.filter_map(|line| line.rsplit_once(": "));
        (title, counts.filter_map(|(name, count)| Some((name, count.parse().ok()?))).collect())
    };
    text.split("\n\n").filter(|part| !part.trim().is_empty()).map(part).collect()
}

/// What differs between what is recorded and what came, more than chance allows: a line for each part.
pub fn differences(recorded: &str, came: &str) -> Vec<String> {
    let (recorded, came) = (parts(recorded), parts(came));
    if recorded.len() != came.len() || recorded.iter().zip(&came).any(|(left, right)| left.0 != right.0) {
        return vec!["cases are missing, or left over: UPDATE_GOLDENS=1 with Envoy".to_owned()];
    }
    let all = |parts: &[(&str, BTreeMap<&str, f64>)]| -> f64 {
        parts.iter().filter(|part| part.0.starts_with('#')).flat_map(|part| part.1.values()).sum()
    };
    let (all_recorded, all_came) = (all(&recorded), all(&came));
    let mut wrong = Vec::new();
    for ((title, expected), (_, counts)) in recorded.iter().zip(&came) {
        // A statistic counts some of all requests, of which there need not be as many as were recorded.
        let differs = if title.starts_with('#') {
            differ(expected, counts)
        } else {
            let names = expected.keys().chain(counts.keys());
            names.into_iter().any(|name| {
                let some = |of: &BTreeMap<&str, f64>| of.get(name).copied().unwrap_or(0.0);
                let split =
                    |count: f64, all: f64| BTreeMap::from([("counted", count), ("not", (all - count).max(0.0))]);
                differ(&split(some(expected), all_recorded), &split(some(counts), all_came))
            })
        };
        if differs {
            wrong.push(format!("{title}: {expected:?} is recorded, and it is {counts:?}"));
        }
    }
    wrong
}

/// Whether that is more than chance, once in a million, would explain.
fn differ(left: &BTreeMap<&str, f64>, right: &BTreeMap<&str, f64>) -> bool {
    let (of_left, of_right): (f64, f64) = (left.values().sum(), right.values().sum());
    let all = of_left + of_right;
    let mut names: Vec<&str> = left.keys().chain(right.keys()).copied().collect();
    names.sort_unstable();
    names.dedup();
    let some = |of: &BTreeMap<&str, f64>, name: &str| of.get(name).copied().unwrap_or(0.0);
    let names: Vec<&str> = names.into_iter().filter(|name| some(left, name) + some(right, name) > 0.0).collect();
    let cell = |name: &&str| {
        let sum = some(left, name) + some(right, name);
        let one = |count: f64, of: f64| (count - sum * of / all).powi(2) / (sum * of / all);
        one(some(left, name), of_left) + one(some(right, name), of_right)
    };
    (of_left == 0.0) != (of_right == 0.0)
        || names.len() > 1 && names.iter().map(cell).sum::<f64>() > critical(names.len() as f64 - 1.0)
}

/// Chi-square that is exceeded once in a million, by Wilson and Hilferty: a little more for few degrees of freedom.
fn critical(freedom: f64) -> f64 {
    const Z: f64 = 4.753;
    let part = 2.0 / (9.0 * freedom);
    freedom * (1.0 - part + Z * part.sqrt()).powi(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_is_told_from_a_difference() {
        let text = |a: u32, b: u32, crossed: u32| format!("# c\na: {a}\nb: {b}\n\ncluster.app.crossed: {crossed}\n");
        assert_eq!(differences(&text(5000, 5000, 300), &text(5060, 4940, 320)), Vec::<String>::new());
        assert_eq!(differences(&text(5000, 5000, 300), &text(5400, 4600, 300)).len(), 1);
        assert_eq!(differences(&text(5000, 5000, 300), &text(5000, 5000, 600)).len(), 1);
        assert_eq!(differences(&text(10000, 0, 0), &text(9900, 100, 0)).len(), 1);
        assert_eq!(differences(&text(500, 500, 50), &text(5000, 5000, 490)), Vec::<String>::new());
        assert_eq!(differences(&text(1, 1, 0), "# other\na: 1\n").len(), 1);
    }

    /// It is above those of tables by a little, and never below: a difference that is told is none of chance.
    #[test]
    fn the_critical_value_is_near_that_of_tables() {
        for (freedom, table) in [(2.0, 27.63), (5.0, 35.89), (10.0, 46.86)] {
            let ratio = critical(freedom) / table;
            assert!((1.0..1.1).contains(&ratio), "{freedom}: {ratio}");
        }
    }
}
