//! Whose mail it is without a login.

use std::net::IpAddr;

use ipnet::IpNet;
use postbell_model::WorkspaceId;

/// The workspace of the narrowest network that holds the address.
pub(super) fn workspace_of(trusted: &[(IpNet, WorkspaceId)], ip: IpAddr) -> Option<WorkspaceId> {
    trusted
        .iter()
        .filter(|(network, _)| network.contains(&ip))
        .max_by_key(|(network, _)| network.prefix_len())
        .map(|(_, workspace)| *workspace)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn the_narrowest_network_counts() {
        let trusted = [
            ("10.0.0.0/8".parse().unwrap(), WorkspaceId(1)),
            ("10.1.0.0/16".parse().unwrap(), WorkspaceId(2)),
            ("2001:db8::/32".parse().unwrap(), WorkspaceId(3)),
        ];
        assert_eq!(workspace_of(&trusted, ip("10.2.0.1")), Some(WorkspaceId(1)));
        assert_eq!(workspace_of(&trusted, ip("10.1.0.1")), Some(WorkspaceId(2)));
        assert_eq!(
            workspace_of(&trusted, ip("2001:db8::1")),
            Some(WorkspaceId(3))
        );
        assert_eq!(workspace_of(&trusted, ip("192.0.2.1")), None);
    }
}
