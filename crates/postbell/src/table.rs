//! Tables that fit a terminal: a cell that is too long is cut, and no line wraps.

use std::borrow::Cow;

/// Between two columns.
const GAP: usize = 2;
/// What is left of a text in the last column, at least.
const LAST: usize = 16;
/// What is left of any other cell, at least.
const OTHER: usize = 8;
/// Columns that are of use as a whole alone: they are cut after all others.
const WHOLE: &[&str] = &["DELIVERY", "MESSAGE", "EVENT", "ID", "AT"];
const CUT: char = '…';

/// The lines of a table, the heading first; no wider than `width`, where there is one.
pub(crate) fn lines(heading: &[&str], rows: &[Vec<String>], width: Option<usize>) -> Vec<String> {
    let mut widths = widest(heading, rows);
    if let Some(width) = width {
        narrow(heading, &mut widths, width);
    }
    let heading = heading.iter().map(|&title| title.to_owned()).collect();
    let all = std::iter::once(&heading).chain(rows);
    all.map(|cells| {
        let line = aligned(cells, &widths);
        width.map_or(line.clone(), |width| cut(&line, width).into_owned())
    })
    .collect()
}

/// The width of each column's widest cell.
fn widest(heading: &[&str], rows: &[Vec<String>]) -> Vec<usize> {
    let widest = |(column, title): (usize, &&str)| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        let widest = cells.map(|cell| length(cell)).max().unwrap_or(0);
        widest.max(length(title))
    };
    heading.iter().enumerate().map(widest).collect()
}

/// Takes from the last column first, then from the widest ones, and from what should stay whole at
/// the end.
fn narrow(heading: &[&str], widths: &mut [usize], width: usize) {
    let gaps = GAP * widths.len().saturating_sub(1);
    let surplus = |widths: &[usize]| (widths.iter().sum::<usize>() + gaps).saturating_sub(width);
    if let Some(last) = widths.len().checked_sub(1) {
        let least = LAST.min(widths[last]);
        widths[last] = widths[last].saturating_sub(surplus(widths)).max(least);
    }
    for spare_whole in [true, false] {
        while surplus(widths) > 0 {
            let may_shrink = |column: &usize| {
                widths[*column] > OTHER && !(spare_whole && WHOLE.contains(&heading[*column]))
            };
            let columns = (0..widths.len()).filter(may_shrink);
            let Some(column) = columns.max_by_key(|column| widths[*column]) else {
                break;
            };
            widths[column] -= 1;
        }
    }
}

fn aligned(cells: &[String], widths: &[usize]) -> String {
    let padded: Vec<_> = cells
        .iter()
        .zip(widths)
        .map(|(cell, &width)| format!("{:<width$}", cut(cell, width)))
        .collect();
    padded.join("  ").trim_end().to_owned()
}

/// As much of a text as there is room for.
fn cut(text: &str, width: usize) -> Cow<'_, str> {
    if length(text) <= width {
        return text.into();
    }
    let mut cut: String = text.chars().take(width.saturating_sub(1)).collect();
    cut.push(CUT);
    cut.into()
}

fn length(text: &str) -> usize {
    text.chars().count()
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADING: [&str; 3] = ["DELIVERY", "DOMAIN", "LAST REPLY"];

    fn rows() -> Vec<Vec<String>> {
        let cells = [
            "0199b0a6-5d2e-7c31-8f0e-3a1f6c2b9d10",
            "a-rather-long-name.example.org",
            "451 4.7.1 Greylisted, please try again in five minutes",
        ];
        vec![
            cells.map(str::to_owned).to_vec(),
            vec!["x".to_owned(), String::new(), String::new()],
        ]
    }

    #[test]
    fn a_pipe_gets_all_of_it() {
        let lines = lines(&HEADING, &rows(), None);
        assert!(lines[1].ends_with("in five minutes"), "{}", lines[1]);
        assert_eq!(lines[2], "x", "no trailing space");
        assert_eq!(lines[0].find("DOMAIN"), lines[1].find("a-rather"));
    }

    #[test]
    fn a_terminal_gets_what_fits() {
        let wide = lines(&HEADING, &rows(), Some(100));
        assert_eq!(
            wide[1],
            "0199b0a6-5d2e-7c31-8f0e-3a1f6c2b9d10  a-rather-long-name.example.org  \
             451 4.7.1 Greylisted, please …"
        );
        let narrow = lines(&HEADING, &rows(), Some(70));
        assert_eq!(
            narrow[1],
            "0199b0a6-5d2e-7c31-8f0e-3a1f6c2b9d10  a-rather-long-…  451 4.7.1 Grey…"
        );
        for width in 1..130 {
            let lines = lines(&HEADING, &rows(), Some(width));
            assert!(lines.iter().all(|line| length(line) <= width), "{lines:?}");
        }
    }
}
