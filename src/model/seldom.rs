//! A part of a value that few values have.

use std::{
    fmt, mem,
    mem::ManuallyDrop,
    ops::{Deref, DerefMut},
};

/// An optional part that is seldom there. Dropping a `Seldom` without a part is one comparison.
// Otherwise the compiler inlines the loops that drop lists into all code that drops a context, which then saves five
// registers (bench `gate`, by header).
#[derive(Clone)]
pub(super) struct Seldom<T>(ManuallyDrop<Option<T>>);

impl<T> Seldom<T> {
    #[inline]
    pub(super) fn into_inner(mut self) -> Option<T> {
        self.take()
    }

    fn take(&mut self) -> Option<T> {
        ManuallyDrop::into_inner(mem::replace(&mut self.0, ManuallyDrop::new(None)))
    }

    #[cold]
    #[inline(never)]
    fn free(&mut self) {
        drop(self.take());
    }
}

impl<T> Default for Seldom<T> {
    #[inline]
    fn default() -> Self {
        Self::from(None)
    }
}

impl<T: fmt::Debug> fmt::Debug for Seldom<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (**self).fmt(f)
    }
}

impl<T> From<Option<T>> for Seldom<T> {
    #[inline]
    fn from(part: Option<T>) -> Self {
        Self(ManuallyDrop::new(part))
    }
}

impl<T> Deref for Seldom<T> {
    type Target = Option<T>;

    #[inline]
    fn deref(&self) -> &Option<T> {
        &self.0
    }
}

impl<T> DerefMut for Seldom<T> {
    #[inline]
    fn deref_mut(&mut self) -> &mut Option<T> {
        &mut self.0
    }
}

impl<T> Drop for Seldom<T> {
    #[inline]
    fn drop(&mut self) {
        if self.0.is_some() {
            self.free();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::rc::Rc;

    use super::*;

    #[test]
    fn a_part_is_dropped_once() {
        let part = Rc::new(());
        let seldom = Seldom::from(Some(Rc::clone(&part)));
        let copy = seldom.clone();
        assert_eq!(Rc::strong_count(&part), 3);

        drop(seldom);
        assert_eq!(Rc::strong_count(&part), 2);

        let taken = copy.into_inner();
        assert_eq!((Rc::strong_count(&part), taken.is_some()), (2, true));

        let mut replaced = Seldom::from(taken);
        *replaced = None;
        assert_eq!(Rc::strong_count(&part), 1);
    }
}
