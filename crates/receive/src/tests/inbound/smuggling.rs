//! Ends of a message that are none, behind which a second message hides.

use super::{ENVELOPE, MESSAGE, World};

/// What some server somewhere takes for CRLF.CRLF.
const FALSE_ENDS: &[&str] = &[
    "\n.\n",
    "\n.\r\n",
    "\r\n.\n",
    "\r.\r",
    "\r.\r\n",
    "\r\n.\r",
    "\r\n.\r\r\n",
    "\n\n.\n",
    "\r\r\n.\r\r\n",
    "\n.\r",
    "\r.\n",
    "\r\n\0.\r\n",
    "\r\n.\0\r\n",
    "\r\n.\r\0\n",
    "\r\n\r.\r\n",
];

#[tokio::test]
async fn there_is_no_second_message() {
    let world = World::new().await;
    for end in FALSE_ENDS {
        for cut in [false, true] {
            let mut client = world.client().await;
            let hidden = format!("{}{MESSAGE}", &ENVELOPE[16..]);
            let (before, behind) = (
                format!("{MESSAGE}x{end}"),
                format!("{hidden}\r\n.\r\nQUIT\r\n"),
            );
            client.send(ENVELOPE.as_bytes()).await;
            client.expect(&["220", "250", "250", "250", "354"]).await;
            if cut {
                client.send(before.as_bytes()).await;
                client.send(behind.as_bytes()).await;
            } else {
                client.send(format!("{before}{behind}").as_bytes()).await;
            }
            let reply = client.reply().await;
            assert!(reply.starts_with("550 5.6.0"), "{end:?}: {reply}");
            client.expect(&["221"]).await;
            assert!(client.ended().await, "{end:?}");
        }
    }
    assert_eq!(world.stored().len(), 0);
}

#[tokio::test]
async fn lines_of_commands_end_with_crlf() {
    let world = World::new().await;
    for line in [
        "NOOP\n",
        "NOOP\nNOOP\r\n",
        "NOOP\rNOOP\r\n",
        "MAIL FROM:<a@b.test>\nRSET\r\n",
    ] {
        let mut client = world.greeted().await;
        client.send(line.as_bytes()).await;
        if !line.ends_with("\r\n") {
            client.send(b"\r\n").await;
        }
        let reply = client.reply().await;
        assert!(reply.starts_with('5'), "{line:?}: {reply}");
        client.say("QUIT").await;
        client.expect(&["221"]).await;
    }
}
