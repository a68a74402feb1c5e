//! How the rows on the left of [`super::gemv`] are cut into tiles, and where the sums of a tile go.
#![allow(unsafe_code)]

/// Most rows that a row of the matrix is multiplied with at a time: of f32, half as many lie in the first cache.
pub(super) const TILE_IN_F32: usize = 8;
pub(super) const TILE_IN_BF16: usize = 16;
/// Where the sums of some rows and columns are added to: a part of a matrix of `stride` columns.
#[derive(Clone, Copy)]
pub(crate) struct Cells {
    pub(super) first: *mut f32,
    pub(super) stride: usize,
}

impl Cells {
    /// # Safety
    /// The cell must be in memory, and nobody else read or write it meanwhile.
    #[inline(always)]
    #[allow(clippy::inline_always)]
    pub(super) unsafe fn add(self, row: usize, column: usize, sum: f32) {
        // SAFETY: as the caller promises.
        unsafe { *self.first.add(row * self.stride + column) += sum }
    }

    /// Those from this column on.
    pub(super) fn from(self, column: usize) -> Self {
        Self { first: self.first.wrapping_add(column), ..self }
    }
}
