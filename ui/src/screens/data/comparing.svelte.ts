/** Whether the differences of a pair's two answers are marked: from one pair to the next it stays as it is. */
export const comparing = $state({ differences: false });
