//! `postbell serve`: start, end, and what it refuses.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, ChildStdout, Command};
use std::time::Duration;

use serde_json::Value;

use crate::kit::Place;

/// No test waits for longer.
const LIMIT: Duration = Duration::from_secs(20);

/// Any ports, nothing beyond loopback: the name server is a port where nobody is.
const CONFIG: &str = r#"
submission.listen = ["127.0.0.1:0"]
inbound.listen = ["127.0.0.1:0"]
http.listen = ["127.0.0.1:0"]
dns.servers = ["127.0.0.1:1"]
log.format = "json"
"#;
const TRUSTED: &str = r#"
[[submission.trusted]]
network = "127.0.0.0/8"
workspace = "acme"
"#;

/// A server that has said that it is ready. Killed when the test is over.
pub(crate) struct Running {
    child: Child,
    _stdout: BufReader<ChildStdout>,
    submission: String,
    health: String,
}

impl Running {
    pub(crate) fn start(place: &Place, config: &str) -> Self {
        place.write("postbell.toml", &format!("{CONFIG}{config}"));
        let mut child = place.command(&["serve"]).spawn().unwrap();
        let mut stdout = BufReader::new(child.stdout.take().unwrap());
        let mut told = |name: &str| {
            let mut line = String::new();
            while !line.trim_start().starts_with(name) {
                line.clear();
                assert_ne!(stdout.read_line(&mut line).unwrap(), 0, "it ended early");
            }
            line.split_whitespace().last().unwrap().to_owned()
        };
        let (submission, health) = (told("submission"), told("health"));
        told("data");
        Self {
            child,
            _stdout: stdout,
            submission,
            health,
        }
    }

    /// One that takes mail of acme.example from loopback.
    pub(crate) fn with_acme(place: &Place, config: &str) -> Self {
        place.ok(&["workspace", "add", "acme"]);
        place.ok(&["domain", "add", "acme.example", "--workspace", "acme"]);
        Self::start(place, &format!("{config}{TRUSTED}"))
    }

    pub(crate) fn terminate(&self) {
        let pid = self.child.id().to_string();
        let kill = Command::new("kill").args(["-TERM", &pid]).status();
        assert!(kill.unwrap().success());
    }

    /// Sends the signal and waits until the server has begun to end.
    pub(crate) fn begin_to_end(&self) {
        self.terminate();
        while !get(&self.health, "").contains("\"draining\"") {}
    }

    /// Hands in a message from acme.example to b@b.example.
    pub(crate) fn submit(&self) {
        let mut client = in_data(self);
        say(&mut client, ".");
        expect(&mut client, "250 ");
    }

    /// A client in the middle of a message.
    pub(crate) fn in_data(&self) -> BufReader<TcpStream> {
        in_data(self)
    }

    /// What the submission door says first.
    pub(crate) fn first_line(&self) -> String {
        let mut line = String::new();
        let mut client = BufReader::new(connect(&self.submission));
        client.read_line(&mut line).unwrap();
        line
    }

    /// Names a sender that is refused.
    pub(crate) fn refused_sender(&self, path: &str) {
        let mut client = BufReader::new(connect(&self.submission));
        expect(&mut client, "220 ");
        say(&mut client, "HELO client.test");
        expect(&mut client, "250 ");
        say(&mut client, &format!("MAIL FROM:{path}"));
        expect(&mut client, "550 ");
    }

    /// Status and body of what is at a path.
    pub(crate) fn http(&self, path: &str) -> (u16, String) {
        let (status, _, body) = self.http_with(path, "");
        (status, body)
    }

    /// Status, head and body of what is at a path, for a request with this field.
    pub(crate) fn http_with(&self, path: &str, field: &str) -> (u16, String, String) {
        let answer = get(&self.health.replace("/readyz", path), field);
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap();
        (status.parse().unwrap(), head.to_owned(), body.to_owned())
    }

    /// Each sample with its value.
    pub(crate) fn metrics(&self) -> BTreeMap<String, f64> {
        let (_, text) = self.http("/metrics");
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let samples = samples.filter_map(|line| line.rsplit_once(' '));
        samples
            .map(|(name, value)| (name.to_owned(), value.parse().unwrap()))
            .collect()
    }

    /// The exit code and the log.
    pub(crate) fn end(mut self) -> (Option<i32>, String) {
        let code = self.child.wait().unwrap().code();
        let mut log = String::new();
        let mut stderr = self.child.stderr.take().unwrap();
        stderr.read_to_string(&mut log).unwrap();
        (code, log)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn get(url: &str, field: &str) -> String {
    let (address, path) = url.trim_start_matches("http://").split_once('/').unwrap();
    let mut stream = connect(address);
    let request = format!("GET /{path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{field}\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

fn connect(address: &str) -> TcpStream {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(LIMIT)).unwrap();
    stream
}

/// A client in the middle of a message.
fn in_data(server: &Running) -> BufReader<TcpStream> {
    let mut client = BufReader::new(connect(&server.submission));
    expect(&mut client, "220 ");
    let envelope = [
        ("HELO client.test", "250 "),
        ("MAIL FROM:<a@acme.example>", "250 "),
        ("RCPT TO:<b@b.example>", "250 "),
        ("DATA", "354 "),
    ];
    for (command, code) in envelope {
        say(&mut client, command);
        expect(&mut client, code);
    }
    say(
        &mut client,
        "From: <a@acme.example>\r\nSubject: x\r\n\r\nHello",
    );
    client
}

pub(crate) fn say(client: &mut BufReader<TcpStream>, line: &str) {
    write!(client.get_mut(), "{line}\r\n").unwrap();
}

fn expect(client: &mut BufReader<TcpStream>, code: &str) {
    let mut line = String::new();
    client.read_line(&mut line).unwrap();
    assert!(line.starts_with(code), "{code}: {line}");
}

#[test]
fn serves_says_so_and_ends_in_order() {
    let place = Place::new();
    let server = Running::start(&place, "");
    assert!(get(&server.health, "").starts_with("HTTP/1.1 200 "));
    let mut stranger = BufReader::new(connect(&server.submission));
    expect(&mut stranger, "220 ");
    say(&mut stranger, "HELO client.test");
    expect(&mut stranger, "250 ");
    say(&mut stranger, "MAIL FROM:<a@acme.example>");
    expect(&mut stranger, "530 5.7.0 ");

    server.terminate();
    let (code, log) = server.end();
    assert_eq!(code, Some(0), "{log}");
    let lines = log.lines().map(|line| {
        let line: Value = serde_json::from_str(line).unwrap();
        line["stage"].as_str().map(str::to_owned)
    });
    let stages: Vec<_> = lines.flatten().collect();
    let (doors, others) = stages.split_at(3);
    // The doors close together; so do those that read the log of events, and what the tracking
    // host has seen is written down.
    let mut doors = doors.to_vec();
    doors.sort();
    assert_eq!(doors, ["inbound", "submission", "tracking"], "{log}");
    let mut others = others.to_vec();
    others[2..5].sort();
    assert_eq!(
        others,
        [
            "deliver",
            "simulator",
            "notify",
            "reports",
            "visits",
            "http"
        ],
        "{log}"
    );
}

#[test]
fn a_message_under_way_is_taken_before_the_end() {
    let place = Place::new();
    let server = Running::with_acme(&place, "");
    let mut client = in_data(&server);
    server.begin_to_end();
    say(&mut client, ".");
    expect(&mut client, "250 ");
    let (code, log) = server.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(!log.contains("is late"), "{log}");
}

#[test]
fn a_client_that_never_finishes_does_not_hold_up_the_end() {
    let place = Place::new();
    let server = Running::with_acme(&place, "server.grace = \"200ms\"\n");
    let _client = in_data(&server);
    server.terminate();
    let (code, log) = server.end();
    assert_eq!(code, Some(0), "{log}");
    assert!(log.contains("the stage is late: 1 of its tasks"), "{log}");
}

#[test]
fn a_second_signal_ends_at_once() {
    let place = Place::new();
    let server = Running::with_acme(&place, "server.grace = \"10m\"\n");
    let _client = in_data(&server);
    server.begin_to_end();
    server.terminate();
    let (code, log) = server.end();
    assert_eq!(code, Some(130), "{log}");
    assert!(log.contains("SIGTERM again"), "{log}");
}

#[test]
fn a_second_server_on_the_same_data_refuses() {
    let place = Place::new();
    let _first = Running::start(&place, "");
    let second = place.run(&["serve"]);
    assert_eq!(second.code, Some(1));
    let refusal = "another postbell serves from data";
    assert!(second.stderr.contains(refusal), "{second:?}");
}

#[test]
fn commands_work_beside_a_running_server() {
    let place = Place::new();
    let _server = Running::start(&place, "");
    place.ok(&["workspace", "add", "acme"]);
    assert!(place.ok(&["workspace", "list"]).contains("acme"));
}

#[test]
fn a_trusted_network_of_a_workspace_that_is_not_there_is_a_fault_at_start() {
    let place = Place::new();
    place.write("postbell.toml", &format!("{CONFIG}{TRUSTED}"));
    let failure = place.fails(&["serve"]);
    let expected = "submission.trusted[0].workspace: there is no workspace \"acme\"";
    assert!(failure.contains(expected), "{failure}");
}

#[test]
fn a_port_that_is_taken_is_told_with_its_key() {
    let place = Place::new();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap();
    place.write(
        "postbell.toml",
        &format!("submission.listen = [\"{address}\"]\nhttp.listen = []\n"),
    );
    let failure = place.fails(&["serve"]);
    let expected = format!("can't listen on {address} (submission.listen)");
    assert!(failure.contains(&expected), "{failure}");
}
