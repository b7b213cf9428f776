//! One setting of one source: inherited, removed or set.

/// One field of a [`Definition`](crate::Definition), like a member of a JSON merge patch (RFC 7396): absent, null or a
/// value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Setting<T> {
    /// The source sets nothing: the sources below decide.
    #[default]
    Inherit,
    /// The source removes the values of the sources below, so that the field has its default again.
    Remove,
    /// The source replaces the values of the sources below.
    Set(T),
}

impl<T> Setting<T> {
    /// Returns the value, if there is one.
    pub fn value(&self) -> Option<&T> {
        match self {
            Self::Set(value) => Some(value),
            Self::Inherit | Self::Remove => None,
        }
    }

    /// Returns `true` if the sources below decide.
    pub fn is_inherit(&self) -> bool {
        matches!(self, Self::Inherit)
    }

    /// Replaces this setting with `patch`, unless that inherits.
    pub(crate) fn replace(&mut self, patch: &Self)
    where
        T: Clone,
    {
        if !patch.is_inherit() {
            self.clone_from(patch);
        }
    }
}
