//! AUTH PLAIN and LOGIN, where the server is given a login (RFC 4954).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::super::script::Stage;
use super::{End, Session};

impl Session<'_> {
    pub(super) async fn auth(&mut self, arguments: &str) -> Result<(), End> {
        let Some(login) = self.state.options.login.clone() else {
            self.say("502 5.5.1 No such command");
            return Ok(());
        };
        let (mechanism, initial) = arguments.split_once(' ').unwrap_or((arguments, ""));
        let given = match mechanism.to_ascii_uppercase().as_str() {
            "PLAIN" if initial.is_empty() => self.asked("").await?,
            "PLAIN" => initial.to_owned(),
            "LOGIN" => {
                let username = self.asked("VXNlcm5hbWU6").await?;
                let password = self.asked("UGFzc3dvcmQ6").await?;
                let decoded = |text: &str| STANDARD.decode(text).unwrap_or_default();
                let (username, password) = (decoded(&username), decoded(&password));
                STANDARD.encode([b"\0", &*username, b"\0", &*password].concat())
            }
            _ => {
                self.say("504 5.5.4 No such mechanism");
                return Ok(());
            }
        };
        let wanted = STANDARD.encode(format!("\0{}\0{}", login.0, login.1));
        if given != wanted {
            self.say("535 5.7.8 The login is wrong");
            return Ok(());
        }
        self.logged_in = self.answer(Stage::Auth, "235 2.7.0 Welcome").await?;
        Ok(())
    }

    /// What the client answers to a challenge.
    async fn asked(&mut self, challenge: &str) -> Result<String, End> {
        self.say(&format!("334 {challenge}"));
        loop {
            match self.take_line() {
                Some(line) => return line.map_err(|_| End::HangUp),
                None => {
                    self.flush().await?;
                    self.fill().await?;
                }
            }
        }
    }
}
