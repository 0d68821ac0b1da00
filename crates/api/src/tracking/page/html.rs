//! HTML that is being written, with the only way for text to get into it.

/// A page so far.
#[derive(Debug, Default)]
pub(super) struct Html(String);

impl Html {
    /// Adds markup of ours.
    pub(super) fn raw(&mut self, markup: &str) {
        self.0.push_str(markup);
    }

    /// Adds text, whatever is in it.
    pub(super) fn text(&mut self, text: &str) {
        for c in text.chars() {
            match c {
                '&' => self.0.push_str("&amp;"),
                '<' => self.0.push_str("&lt;"),
                '>' => self.0.push_str("&gt;"),
                '"' => self.0.push_str("&quot;"),
                '\'' => self.0.push_str("&#39;"),
                c if c.is_control() => self.0.push('\u{fffd}'),
                c => self.0.push(c),
            }
        }
    }

    /// Adds words of ours with values in their places. A value is text, whatever is in it, also where
    /// it looks like another place; it is set apart from the direction of the words around it.
    pub(super) fn filled(&mut self, words: &str, values: &[(&str, &str)]) {
        let mut rest = words;
        loop {
            let places = values
                .iter()
                .filter_map(|(place, value)| Some((rest.find(place)?, *place, *value)));
            let Some((at, place, value)) = places.min_by_key(|(at, ..)| *at) else {
                return self.text(rest);
            };
            self.text(&rest[..at]);
            self.raw("<bdi class=\"brand\">");
            self.text(value);
            self.raw("</bdi>");
            rest = &rest[at + place.len()..];
        }
    }

    pub(super) fn into_string(self) -> String {
        self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_text() {
        let mut html = Html::default();
        html.text("a<b>&\"'\u{0}ü");
        assert_eq!(html.into_string(), "a&lt;b&gt;&amp;&quot;&#39;\u{fffd}ü");
    }

    #[test]
    fn places_are_filled_once() {
        let mut html = Html::default();
        html.filled("x {b} y {a} z", &[("{a}", "{b}"), ("{b}", "<")]);
        assert_eq!(
            html.into_string(),
            "x <bdi class=\"brand\">&lt;</bdi> y <bdi class=\"brand\">{b}</bdi> z"
        );
    }
}
