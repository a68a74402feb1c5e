/** What can be chosen in a menu. */
export type MenuItem = { title: string; run: () => void; danger?: boolean; disabled?: boolean };
