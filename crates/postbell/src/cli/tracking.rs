//! What is tracked of a domain's or a configuration set's mail, as it is typed.

use clap::Args;
use postbell_model::tracking::{Brand, Colour, DomainTracking, SetTracking};

use super::config_set::{Choice, or_word};
use super::on_or_off;

/// Characters of a name that a reader is shown.
const BRAND_NAME_MAX: usize = 100;
/// Names that are added to the query of a link.
const PARAMETERS_MAX: usize = 20;
const PARAMETER_NAME_MAX: usize = 64;
const PARAMETER_VALUE_MAX: usize = 256;
/// Patterns of links that are not tracked.
const PATTERNS_MAX: usize = 100;
const PATTERN_MAX: usize = 1_000;
/// The word for each parameter, or each pattern.
const ALL: &str = "all";

/// `--track-opens`, `--track-clicks`, `--brand-name`, `--brand-colour` of a domain
#[derive(Debug, Clone, Default, Args)]
pub struct DomainTracks {
    /// Whether opens of its mail are tracked, where neither message nor configuration set says; off
    /// for new domains
    #[arg(long, value_name = "on|off", group = "change", value_parser = on_or_off)]
    pub track_opens: Option<bool>,
    /// Whether clicks in its mail are tracked, where neither message nor configuration set says; off
    /// for new domains
    #[arg(long, value_name = "on|off", group = "change", value_parser = on_or_off)]
    pub track_clicks: Option<bool>,
    /// What its page of unsubscribing calls it; "": by the name of the domain
    #[arg(long, value_name = "NAME", group = "change", value_parser = brand_name)]
    pub brand_name: Option<BrandName>,
    /// The colour of that page's button: #1a7f37; "": the usual one
    #[arg(long, value_name = "#RRGGBB", group = "change", value_parser = brand_colour)]
    pub brand_colour: Option<BrandColour>,
}

/// What `--brand-name` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrandName(pub Option<String>);

/// What `--brand-colour` says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrandColour(pub Option<Colour>);

impl DomainTracks {
    /// What a new domain tracks.
    pub(crate) fn tracking(&self) -> DomainTracking {
        DomainTracking {
            opens: self.track_opens.unwrap_or_default(),
            clicks: self.track_clicks.unwrap_or_default(),
        }
    }

    /// How a new domain looks.
    pub(crate) fn brand(&self) -> Brand {
        Brand {
            name: self.brand_name.clone().and_then(|name| name.0),
            colour: self.brand_colour.and_then(|colour| colour.0),
        }
    }
}

/// What a new configuration set says of tracking, and what is changed of one that there is
#[derive(Debug, Clone, Default, Args)]
pub struct SetTracks {
    /// Whether opens are tracked; "domain": as the domain says, which is so for new sets
    #[arg(long, value_name = "on|off|domain", group = "change", value_parser = as_domain())]
    pub track_opens: Option<Choice<bool>>,
    /// Whether clicks are tracked; "domain": as the domain says, which is so for new sets
    #[arg(long, value_name = "on|off|domain", group = "change", value_parser = as_domain())]
    pub track_clicks: Option<Choice<bool>>,
    /// Whether links in plain text are tracked as well; readers see the longer addresses there
    #[arg(long, value_name = "on|off", group = "change", value_parser = on_or_off)]
    pub track_plain_text: Option<bool>,
    /// Add this to the query of each tracked link that has no such name; may be given several times
    #[arg(long, value_name = "NAME=VALUE", group = "change", value_parser = parameter)]
    pub add_parameter: Vec<Parameter>,
    /// Leave links that look like this alone, * stands for anything; may be given several times
    #[arg(long, value_name = "PATTERN", group = "change", value_parser = pattern)]
    pub untracked: Vec<String>,
    /// Whether List-Unsubscribe is added to mail that has none; off for new sets
    #[arg(long, value_name = "on|off", group = "change", value_parser = on_or_off)]
    pub unsubscribe: Option<bool>,
}

/// What is taken out of what a configuration set says of tracking.
#[derive(Debug, Clone, Default, Args)]
pub struct NoLonger {
    /// Add the parameter of this name no more; "all": none
    #[arg(long, value_name = "NAME", group = "change")]
    pub remove_parameter: Vec<String>,
    /// Track links that look like this pattern again; "all": whatever --untracked said before
    #[arg(long, value_name = "PATTERN", group = "change")]
    pub no_untracked: Vec<String>,
}

/// What `--add-parameter` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    name: String,
    value: String,
}

impl SetTracks {
    /// What a set says that said `before`.
    pub(crate) fn over(&self, before: SetTracking) -> Result<SetTracking, TracksTooMuch> {
        let mut tracking = before;
        if let Some(choice) = self.track_opens {
            tracking.opens = choice.into_option();
        }
        if let Some(choice) = self.track_clicks {
            tracking.clicks = choice.into_option();
        }
        tracking.plain_text = self.track_plain_text.unwrap_or(tracking.plain_text);
        tracking.unsubscribe = self.unsubscribe.unwrap_or(tracking.unsubscribe);
        for Parameter { name, value } in &self.add_parameter {
            let known = tracking.additions.iter_mut().find(|(n, _)| n == name);
            match known {
                Some((_, known)) => known.clone_from(value),
                None => tracking.additions.push((name.clone(), value.clone())),
            }
        }
        for pattern in &self.untracked {
            if !tracking.untracked.contains(pattern) {
                tracking.untracked.push(pattern.clone());
            }
        }
        match &tracking {
            t if t.additions.len() > PARAMETERS_MAX => Err(TracksTooMuch::Parameters),
            t if t.untracked.len() > PATTERNS_MAX => Err(TracksTooMuch::Patterns),
            _ => Ok(tracking),
        }
    }
}

/// More than a configuration set may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TracksTooMuch {
    #[error(
        "a configuration set adds {PARAMETERS_MAX} parameters at most; --remove-parameter NAME"
    )]
    Parameters,
    #[error("a configuration set has {PATTERNS_MAX} patterns at most; --no-untracked PATTERN")]
    Patterns,
}

impl NoLonger {
    /// What a set says without these; the first of them that it does not say.
    pub(crate) fn out_of(&self, before: SetTracking) -> Result<SetTracking, NotThere> {
        let mut tracking = before;
        for name in &self.remove_parameter {
            let left = tracking.additions.len();
            tracking.additions.retain(|(n, _)| name != ALL && n != name);
            if name != ALL && left == tracking.additions.len() {
                return Err(NotThere::Parameter(name.clone()));
            }
        }
        for pattern in &self.no_untracked {
            let left = tracking.untracked.len();
            tracking
                .untracked
                .retain(|p| pattern != ALL && p != pattern);
            if pattern != ALL && left == tracking.untracked.len() {
                return Err(NotThere::Pattern(pattern.clone()));
            }
        }
        Ok(tracking)
    }
}

/// What can't be taken out, since it is not in.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NotThere {
    #[error("no parameter \"{0}\" is added; `postbell config-set show` tells which are")]
    Parameter(String),
    #[error("there is no pattern \"{0}\"; `postbell config-set show` tells which there are")]
    Pattern(String),
}

fn as_domain() -> impl Fn(&str) -> Result<Choice<bool>, String> + Clone {
    or_word("domain", on_or_off)
}

fn brand_name(text: &str) -> Result<BrandName, String> {
    let name = text.trim();
    if name.is_empty() {
        return Ok(BrandName(None));
    }
    if name.chars().count() > BRAND_NAME_MAX || crate::console::plain(name) != name {
        let most = format!("write at most {BRAND_NAME_MAX} characters on one line");
        return Err(most);
    }
    Ok(BrandName(Some(name.to_owned())))
}

fn brand_colour(text: &str) -> Result<BrandColour, String> {
    if text.is_empty() {
        return Ok(BrandColour(None));
    }
    let colour = Colour::parse(text);
    let colour = colour.ok_or_else(|| "write it as '#1a7f37', in quotes".to_owned())?;
    Ok(BrandColour(Some(colour)))
}

fn parameter(text: &str) -> Result<Parameter, String> {
    let how = || "write it as utm_source=news".to_owned();
    let (name, value) = text.split_once('=').ok_or_else(how)?;
    if name.is_empty() || text.chars().any(char::is_control) {
        return Err(how());
    }
    let length = |text: &str| text.chars().count();
    if length(name) > PARAMETER_NAME_MAX || length(value) > PARAMETER_VALUE_MAX {
        return Err(format!(
            "at most {PARAMETER_NAME_MAX} characters before the =, {PARAMETER_VALUE_MAX} behind it"
        ));
    }
    Ok(Parameter {
        name: name.to_owned(),
        value: value.to_owned(),
    })
}

fn pattern(text: &str) -> Result<String, String> {
    if text.is_empty() || text.len() > PATTERN_MAX || text.chars().any(char::is_control) {
        return Err(format!(
            "write at most {PATTERN_MAX} characters: 'https://acme.example/legal/*', '*/unsubscribe*'"
        ));
    }
    Ok(text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(parameters: &[&str], patterns: &[&str]) -> SetTracks {
        let parameters = parameters.iter().map(|text| parameter(text).unwrap());
        SetTracks {
            add_parameter: parameters.collect(),
            untracked: patterns.iter().map(|&text| text.to_owned()).collect(),
            ..SetTracks::default()
        }
    }

    #[test]
    fn parameters_and_patterns_come_and_go() {
        let first = set(&["utm_source=news", "q=a=b"], &["*/legal/*"]);
        let tracking = first.over(SetTracking::default()).unwrap();
        let more = set(&["utm_source=other", "x="], &["*/legal/*", "https://a/"]);
        let tracking = more.over(tracking).unwrap();
        let pairs: Vec<_> = tracking
            .additions
            .iter()
            .map(|(n, v)| format!("{n}={v}"))
            .collect();
        assert_eq!(pairs, ["utm_source=other", "q=a=b", "x="]);
        assert_eq!(tracking.untracked, ["*/legal/*", "https://a/"]);

        let away = NoLonger {
            remove_parameter: vec!["q".to_owned()],
            no_untracked: vec![ALL.to_owned()],
        };
        let tracking = away.out_of(tracking).unwrap();
        assert_eq!(tracking.additions.len(), 2);
        assert_eq!(tracking.untracked, [""; 0]);
        assert_eq!(
            away.out_of(tracking),
            Err(NotThere::Parameter("q".to_owned()))
        );
    }

    #[test]
    fn a_set_says_only_so_much() {
        let many: Vec<_> = (0..=PARAMETERS_MAX).map(|n| format!("p{n}=1")).collect();
        let many: Vec<_> = many.iter().map(String::as_str).collect();
        let said = set(&many, &[]).over(SetTracking::default());
        assert_eq!(said, Err(TracksTooMuch::Parameters));
        assert!(set(&many[1..], &[]).over(SetTracking::default()).is_ok());
    }

    #[test]
    fn what_readers_see_is_one_line() {
        assert_eq!(brand_name(" Acme "), Ok(BrandName(Some("Acme".to_owned()))));
        assert_eq!(brand_name(""), Ok(BrandName(None)));
        for wrong in ["a\nb", "a\u{202e}b", "a\u{1b}[2Jb", &"x".repeat(101)] {
            assert!(brand_name(wrong).is_err(), "{wrong:?}");
        }
        assert_eq!(brand_colour(""), Ok(BrandColour(None)));
        assert_eq!(
            brand_colour("#1a7f37"),
            Ok(BrandColour(Some(Colour(26, 127, 55))))
        );
        for wrong in ["red", "1a7f37", "#1a7f3"] {
            assert!(brand_colour(wrong).is_err(), "{wrong}");
        }
        for wrong in ["", "=x", "utm_source", "a\n=b"] {
            assert!(parameter(wrong).is_err(), "{wrong:?}");
        }
    }
}
