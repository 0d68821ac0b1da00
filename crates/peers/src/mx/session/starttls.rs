//! STARTTLS (RFC 3207), and handshakes that fail as scripted.

use tokio::time::timeout;

use super::super::script::{Action, Stage};
use super::{End, Session};
use crate::ServerTls;
use crate::tls::Stream;

impl Session<'_> {
    pub(super) const fn is_secured(&self) -> bool {
        matches!(self.stream, Stream::Tls(_))
    }

    pub(super) async fn start_tls(&mut self) -> Result<(), End> {
        let Some(tls) = &self.state.options.tls else {
            self.say("502 5.5.1 No such command");
            return Ok(());
        };
        if self.is_secured() {
            self.say("503 5.5.1 TLS is on already");
            return Ok(());
        }
        // RFC 3207 §4.2: what came with STARTTLS may be somebody else's.
        if !self.input.is_empty() {
            self.say("554 5.5.1 Nothing may follow STARTTLS");
            return Err(End::HangUp);
        }
        if self.answer(Stage::StartTls, "220 2.0.0 Go ahead").await? {
            self.flush().await?;
            self.handshake(tls).await?;
        }
        Ok(())
    }

    pub(super) async fn handshake(&mut self, tls: &ServerTls) -> Result<(), End> {
        match self.step(Stage::Handshake) {
            None | Some(Action::Pass) => {}
            Some(action) => {
                // Once the client's side of the handshake is there, so that it is one.
                self.fill().await?;
                let manner = self.manner(Some(action), "").await?;
                self.utter(manner).await?;
                return Err(End::HangUp);
            }
        }
        let Stream::Plain(tcp) = std::mem::replace(&mut self.stream, Stream::Gone) else {
            return Err(End::Done);
        };
        let accepted = timeout(self.state.options.patience, tls.accept(tcp)).await;
        let Ok(Ok(stream)) = accepted else {
            return Err(End::Done);
        };
        self.stream = stream;
        // RFC 3207 §4.2: the client begins anew.
        (self.helo, self.transaction) = (None, None);
        Ok(())
    }
}
