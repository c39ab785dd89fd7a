//! Numbers as ECMA-119 7.2 and 7.3 record them: twice, in both byte orders.

/// A 16-bit number, little then big endian (ECMA-119 7.2.3).
pub(super) fn both16(value: u16) -> [u8; 4] {
    let ([a, b], [c, d]) = (value.to_le_bytes(), value.to_be_bytes());
    [a, b, c, d]
}

/// A 32-bit number, little then big endian (ECMA-119 7.3.3).
pub(super) fn both32(value: u32) -> [u8; 8] {
    let ([a, b, c, d], [e, f, g, h]) = (value.to_le_bytes(), value.to_be_bytes());
    [a, b, c, d, e, f, g, h]
}

/// The 16-bit number at `offset`; none if it is cut off or if its two recordings differ. Readers pick either one, so
/// an image on which they differ means different things to different readers.
pub(super) fn read_both16(bytes: &[u8], offset: usize) -> Option<u16> {
    let field: [u8; 4] = bytes.get(offset..)?.first_chunk().copied()?;
    let value = u16::from_le_bytes([field[0], field[1]]);
    (field == both16(value)).then_some(value)
}

/// The 32-bit number at `offset`; none under the conditions of [`read_both16`].
pub(super) fn read_both32(bytes: &[u8], offset: usize) -> Option<u32> {
    let field: [u8; 8] = bytes.get(offset..)?.first_chunk().copied()?;
    let value = u32::from_le_bytes([field[0], field[1], field[2], field[3]]);
    (field == both32(value)).then_some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_recorded_in_both_byte_orders() {
        assert_eq!(both16(0x1234), [0x34, 0x12, 0x12, 0x34]);
        assert_eq!(both32(0x1234_5678), [0x78, 0x56, 0x34, 0x12, 0x12, 0x34, 0x56, 0x78]);
    }

    #[test]
    fn a_number_is_read_only_if_both_recordings_agree() {
        assert_eq!(read_both16(&[9, 0x34, 0x12, 0x12, 0x34], 1), Some(0x1234));
        assert_eq!(read_both16(&[0x34, 0x12, 0x12, 0x35], 0), None);
        assert_eq!(read_both32(&both32(7), 0), Some(7));
        assert_eq!(read_both32(&[7, 0, 0, 0, 0, 0, 0, 8], 0), None);
    }

    #[test]
    fn a_number_that_is_cut_off_is_none() {
        assert_eq!(read_both32(&both32(7)[..7], 0), None);
        assert_eq!(read_both16(&both16(7), 5), None);
    }
}
