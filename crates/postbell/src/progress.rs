//! How far a long command has come, on standard error: a bar for who watches a terminal, a line now and
//! then for a log.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::time::Duration;

use postbell_model::{Clock, Timestamp};

use crate::cli::Output;
use crate::console::Console;

/// How often the bar moves.
const REDRAW: Duration = Duration::from_millis(100);
/// How often there is a line.
const LINE: Duration = Duration::from_secs(10);
/// Characters of the bar.
const BAR: u128 = 24;

/// How far it has come.
#[derive(Debug)]
pub(crate) struct Progress {
    console: Console,
    clock: Arc<dyn Clock>,
    is_watched: bool,
    begun: Timestamp,
    told: Timestamp,
}

/// How much of all is done.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Share {
    pub(crate) done: u64,
    /// `None`: nobody knows.
    pub(crate) of: Option<u64>,
}

impl Progress {
    pub(crate) fn begin(console: Console, clock: Arc<dyn Clock>, output: &Output) -> Self {
        let begun = clock.now();
        Self {
            console,
            clock,
            is_watched: !output.json && io::stderr().is_terminal(),
            begun,
            told: begun,
        }
    }

    /// Tells it, where it is time to.
    pub(crate) fn tell(&mut self, share: Share, rows: u64) {
        let now = self.clock.now();
        let every = if self.is_watched { REDRAW } else { LINE };
        if now.since(self.told) < every {
            return;
        }
        self.told = now;
        let line = line(share, rows, now.since(self.begun));
        if self.is_watched {
            self.console.note(line);
        } else {
            self.console.complain(line);
        }
    }

    /// Takes the bar away.
    pub(crate) fn end(&self) {
        if self.is_watched {
            self.console.note("");
        }
    }
}

/// `[======                  ]  25 %  250000 rows, 50000/s`
fn line(share: Share, rows: u64, taken: Duration) -> String {
    let a_second = u128::from(rows) * 1_000 / taken.as_millis().max(1);
    let rows = format!("{rows} rows, {a_second}/s");
    let Some(of) = share.of.filter(|of| *of > 0) else {
        return rows;
    };
    let part = |whole: u128| u128::from(share.done.min(of)) * whole / u128::from(of);
    let bar: String = (1..=BAR)
        .map(|mark| if mark <= part(BAR) { '=' } else { ' ' })
        .collect();
    format!("[{bar}] {:>3} %  {rows}", part(100))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_long_as_what_is_done() {
        let line = |done, of| line(Share { done, of }, done, Duration::from_secs(2));
        assert_eq!(
            line(50, Some(200)),
            "[======                  ]  25 %  50 rows, 25/s"
        );
        assert_eq!(
            line(200, Some(200)),
            "[========================] 100 %  200 rows, 100/s"
        );
        assert_eq!(
            line(300, Some(200)),
            "[========================] 100 %  300 rows, 150/s"
        );
        assert_eq!(line(9, None), "9 rows, 4/s");
        assert_eq!(line(0, Some(0)), "0 rows, 0/s");
    }
}
