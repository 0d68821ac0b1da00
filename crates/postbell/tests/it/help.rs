//! What `--help` says, and what becomes of wrong arguments.

use crate::kit::Place;

#[test]
fn help_says_what_there_is_and_how_to_begin() {
    insta::assert_snapshot!(Place::new().ok(&["--help"]), @r#"
    A mail transfer agent that tells you what happened to every message

    Usage: postbell [OPTIONS] <COMMAND>

    Commands:
      serve             Run the server
      dev               Try it out: server, far side and webhook receiver on this machine; no mail
                        leaves it
      explain           Say where a domain's mail would go now, and why; with a running server, how it
                        fares there
      trace             Show SMTP sessions of the running server as they happen
      queue             See what waits, and act on it
      message           See all that happened to a message
      events            See events
      inbound           See mail that came in: answers, reports, complaints
      doctor            Look at the whole installation: what is well, what is not, what to do
      backup            Copy the store into a new folder, while the server runs
      verify            Check that a data folder, or a backup, holds together
      restore           Make a data folder from a backup
      erase             Forget a recipient: counted first, done with --yes
      config            Check or show the configuration
      workspace         Tenants: each owns its domains, configuration sets and destinations
      domain            Domains that a workspace sends from
      credential        Credentials: usernames and passwords with which applications hand in mail
      api-key           API keys: what programs show to the HTTP API
      config-set        Configuration sets: choices of destinations, retries, tracking and unsubscribing
      destination       Destinations: webhooks that hear of events
      verified-address  Verified addresses: who the sandboxes of a workspace may send to
      suppression       Suppression lists: addresses that a workspace sends no mail
      link              Tracked links: what one is, and which lead nowhere
      certificate       Certificates of tracking hosts: until when they hold, and what has failed
      completions       Print what makes a shell complete these commands
      man               Print the manual page, or write one of each command

    Options:
          --config <FILE>  The configuration file [default: ./postbell.toml, else
                           /etc/postbell/postbell.toml]
      -h, --help           Print help
      -V, --version        Print version

    First steps:
      postbell dev                        try everything on this machine, nothing leaves it
      postbell workspace add acme         then, for a server of your own: a tenant,
      postbell domain add acme.example --workspace acme
      postbell credential add shop --workspace acme
      postbell destination add hook --workspace acme --url https://acme.example/events
      postbell config check && postbell serve

    Exit codes:
      0    done
      1    the command failed; one line on standard error says why
      2    the command line is wrong
      3    the store stopped while the server ran (a failed write or sync): repair, then restart
      130  ended at once by a second SIGINT or SIGTERM
    "#);
}

#[test]
fn without_arguments_the_help_is_shown_and_it_is_a_fault() {
    let outcome = Place::new().run(&[]);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.contains("Usage: postbell"), "{outcome:?}");
}

#[test]
fn a_wrong_argument_is_named() {
    let outcome = Place::new().run(&["serv"]);
    assert_eq!(outcome.code, Some(2));
    assert!(outcome.stderr.contains("'serv'"), "{outcome:?}");
    assert!(outcome.stderr.contains("'serve'"), "{outcome:?}");
}
