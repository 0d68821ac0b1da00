//! The words of bounces, in lower case.
//!
//! Most are turns of phrase that several programs or many people use. Those of well-known programs
//! stand here as well (qmail's "i'm not going to try again"), shortened to the turn.

use crate::inbound::phrases::Phrases;

/// In a subject: something was not delivered.
pub(super) static SUBJECT_FAILED: Phrases = Phrases::new(
    "\
     undeliver|undelivr|returned mail|returned message|return mail|returned to sender|\
     returning message|returned email|failure notice|failure notification|delivery failure|\
     delivery failed|delivery has failed|delivery error|delivery problem|delivery notification|\
     delivery report|delivery status|mail failure|message failure|mail error|mail system error|\
     mail delivery|non delivery|non-delivery|nondeliver|not delivered|not be delivered|\
     failed mail|failed delivery|failed message|\
     could not send|couldn't be delivered|\
     couldn't deliver|unable to deliver|can't deliver|message status|status notification|\
     notification d'état|delivery incomplete|message delayed|delivery delayed|delayed mail|\
     delivery is delayed|bounce|user unknown|unknown user|unzustellbar|nicht zugestellt|\
     zustellung|übermittlung fehlgeschlagen|fehler bei der|non remis|échec|non distribu|\
     non recapitabile|mancato recapito|mancata consegna|no entregado|no se pudo entregar|\
     devuelto|não entregue|não foi entregue|devolvido|devolvida|niet bezorg|onbestelbaar|\
     niedostarcz|zwrot|nie dostarczon|kan inte levereras|kunde inte levereras|\
     kunne ikke leveres|не доставлен|недоставлен|не может быть доставлен|возвращ|配信でき|配信エラー|\
     配信不能|送信でき|送信エラー|エラー通知|メールエラー|不達|退信|无法投递|未送达|投递失败|退回|系统退|iletilemedi|teslim edilemedi|\
     doručení|kézbesíthetetlen",
);

/// In a text: something was not delivered.
pub(super) static TEXT_FAILED: Phrases = Phrases::new(
    "\
     could not be delivered|couldn't be delivered|could not deliver|couldn't deliver|\
     cannot be delivered|can't be delivered|cannot deliver|was not delivered|not been delivered|\
     wasn't delivered|not able to deliver|wasn't able to deliver|unable to deliver|\
     undeliverable|undelivered|did not reach|could not be reached|delivery failed|\
     delivery to the following|delivery has failed|failed permanently|failed recipient|\
     failed address|error delivering|permanent error|\
     fatal error|delivery error|delivery problems|\
     error during delivery|could not send|returned to sender|returned to you|returning it|\
     has been returned|was returned|not going to try again|giving up|given up|gave up|\
     following address|following recipient|recipients of your message|user unknown|unknown user|\
     no such user|mailbox unavailable|mailbox full|mailbox is full|not known at this site|\
     not listed in|invalid recipient|was rejected|rejected by|has been rejected|be rejected|\
     bounced|failed to deliver|delivery failure|non-delivery|failure reasons|\
     failed after|delivery attempt|transcript of session|not a valid|not match|\
     postponed|full mailbox|not accepting mail|no longer active|does not exist|doesn't exist|\
     account has been disabled|address no longer|could not be processed|\
     nicht zugestellt|konnte nicht|unzustellbar|n'a pas pu|n'ont pas pu|non remis|impossible de|\
     no se pudo|no se ha podido|no pudo ser|não pôde ser|não foi possível|impossibile|\
     non è stato possibile|niet worden|kunde inte|nie można|nie mogła|не может быть доставлено|\
     не доставлено|не удалось доставить|не удаётся|送信できません|配信できません|配送できません|届けることができません|届きません|\
     お届けでき|配信に失敗|宛先|あて先|エラー|无法|失败|退回",
);

/// In a subject or text: it will be tried again.
pub(super) static DELAYED: Phrases = Phrases::new(
    "\
     (delay)|delayed|postponed|still trying|will continue to try|keep trying|\
     will be retried|will try again|will retry|continue to be|attempts will continue|\
     delivery attempts will|not yet been delivered|not yet delivered|has not been delivered yet|\
     has not yet|warning message only|do not need to resend|warning: could not send|\
     could not send message for past|is a warning|verzögert|retardé|retrasad|ritardat|atrasad|\
     vertraagd|opóźn|задерж|待機",
);

/// In a text: it will not.
pub(super) static FINAL: Phrases = Phrases::new(
    "\
     permanent error|permanent fatal|failed permanently|not going to try again|no longer|\
     given up|giving up|gave up|has been returned|returned to sender|\
     could not be delivered for more than|not delivered within|message failed|\
     retry timeout exceeded|stopped trying|will not be retried|will not try|no further|\
     undeliverable|has expired|too old|in the queue too long",
);

/// In a subject or text: it was delivered.
pub(super) static DELIVERED: Phrases = Phrases::new(
    "\
     (success)|successfully delivered|was delivered|been delivered to|delivered successfully|\
     successfully relayed|been relayed|delivery was successful|delivery successful|\
     successful delivery|successful mail delivery|delivered to the following|relayed:|\
     delivered:|zugestellt:|remis:",
);

/// In a line that names a recipient behind a colon or at its end.
pub(super) static LABELS: Phrases = Phrases::new(
    "\
     recipient|addressee|invalid|userid|user id|no such|failed address|unknown user|\
     user unknown|unknown address|bad address|delivered to|deliver to|\
     delivering to|delivery to|delivery attempts to|delivery failed|failed for|failed to|\
     attempts:|destinataire|destinatario|destinatário|empfänger|ontvanger|odbiorca|получател|\
     адресат|宛先|あて先|受信者|收件人|message to|mail to|original-rcpt|addressed to|\
     mailbox|unable to send to|user:|address:|sent to|reach|account",
);
