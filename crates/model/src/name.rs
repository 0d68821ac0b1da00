//! Kinds of things that have names, and reading those back.

/// A name that nothing has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a name of this kind")]
pub struct UnknownName;

/// Reads and writes types that have `ALL` and `name()` by their names.
macro_rules! named {
    ($($type:ty),* $(,)?) => {
        $(impl std::str::FromStr for $type {
            type Err = $crate::name::UnknownName;

            fn from_str(name: &str) -> Result<Self, Self::Err> {
                let found = Self::ALL.iter().find(|one| one.name() == name);
                found.copied().ok_or($crate::name::UnknownName)
            }
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.name())
            }
        })*
    };
}
pub(crate) use named;
