//! Texts in one word, which compare faster than their bytes.

/// A text in one word: all of it, if it has at most seven bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Print(u64);

impl Print {
    #[inline]
    pub(crate) fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let len = bytes.len();
        // What was read at the end overlaps with the start, where the bytes are the same.
        let start = if let Some(&start) = bytes.first_chunk() {
            u64::from_le_bytes(start)
        } else if let (Some(&start), Some(&end)) = (bytes.first_chunk(), bytes.last_chunk()) {
            let (start, end) = (u32::from_le_bytes(start), u32::from_le_bytes(end));
            u64::from(start) | u64::from(end) << (8 * (len - size_of_val(&end)))
        } else if let (Some(&start), Some(&end)) = (bytes.first_chunk(), bytes.last()) {
            u64::from(u16::from_le_bytes(start)) | u64::from(end) << (8 * (len - 1))
        } else {
            bytes.first().copied().map_or(0, u64::from)
        };
        Self(start << 8 | len.min(usize::from(u8::MAX)) as u64)
    }

    /// Whether texts with the same print are the same text.
    #[inline]
    pub(crate) fn is_whole(self) -> bool {
        self.0 & 0xff <= 7
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_texts_that_differ_have_prints_that_differ() {
        let mut texts = vec![String::new()];
        for length in 0..7 {
            let longer = |text: &String| ["\0", "a", "b"].map(|letter| text.clone() + letter);
            let longest = texts.iter().filter(|text| text.len() == length);
            let longer: Vec<_> = longest.flat_map(longer).collect();
            texts.extend(longer);
        }

        let prints: std::collections::HashSet<_> =
            texts.iter().map(|text| Print::of(text).0).collect();

        assert_eq!((texts.len(), prints.len()), (3_280, 3_280));
        assert!(texts.iter().all(|text| Print::of(text).is_whole()));
    }

    #[test]
    fn a_longer_text_is_told_apart_by_its_start_and_its_length() {
        let print = Print::of("company.plan");

        assert!(!print.is_whole());
        assert_eq!(print, Print::of("company.seat"));
        assert_ne!(print, Print::of("company.plans"));
        assert_ne!(print, Print::of("campany.plan"));
    }
}
