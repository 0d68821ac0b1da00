//! Counting what is right, for all files and for each half.

use std::collections::BTreeMap;
use std::fmt;

use super::Row;

#[derive(Default)]
pub(crate) struct Scores {
    rows: BTreeMap<&'static str, BTreeMap<&'static str, Score>>,
    /// What was wrong: the figure, the half, the file and how.
    pub(crate) misses: Vec<(&'static str, &'static str, String, String)>,
}

#[derive(Default, Clone, Copy)]
pub(crate) struct Score {
    pub(crate) hits: usize,
    pub(crate) all: usize,
}

impl Score {
    pub(crate) fn percent(self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "there are some thousands")]
        let (hits, all) = (self.hits as f64, self.all as f64);
        if self.all == 0 {
            100.0
        } else {
            hits * 100.0 / all
        }
    }
}

impl Scores {
    pub(crate) fn count(
        &mut self,
        figure: &'static str,
        row: &Row,
        hit: bool,
        how: impl FnOnce() -> String,
    ) {
        for key in ["all", row.half()] {
            let score = self.rows.entry(figure).or_default().entry(key).or_default();
            score.hits += usize::from(hit);
            score.all += 1;
        }
        if !hit {
            self.misses
                .push((figure, row.half(), row.file.clone(), how()));
        }
    }

    pub(crate) fn of(&self, figure: &str) -> Score {
        let halves = self.rows.get(figure);
        halves
            .and_then(|halves| halves.get("all"))
            .copied()
            .unwrap_or_default()
    }
}

impl fmt::Display for Scores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:44} {:>18} {:>18} {:>18}",
            "", "all", "seen", "held out"
        )?;
        for (figure, halves) in &self.rows {
            write!(f, "{figure:44}")?;
            for half in ["all", "seen", "held out"] {
                let score = halves.get(half).copied().unwrap_or_default();
                let counts = format!("{}/{}", score.hits, score.all);
                write!(f, " {counts:>9} {:>6.1} %", score.percent())?;
            }
            writeln!(f)?;
        }
        Ok(())
    }
}
