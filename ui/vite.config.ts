import { svelte } from "@sveltejs/vite-plugin-svelte";
import { svelteTesting } from "@testing-library/svelte/vite";
import { defineConfig } from "vitest/config";

// In development the page is served by Vite and asks the program started with `tiebreak serve`.
const program = process.env.TIEBREAK_SERVE ?? "http://127.0.0.1:8420";

export default defineConfig({
  plugins: [svelte(), svelteTesting()],
  build: {
    target: "es2022",
    // The content security policy allows no data: addresses and no inline scripts.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
  },
  server: { port: 5173, strictPort: true, proxy: { "/api": program, "/upload": program } },
  test: { environment: "jsdom", include: ["src/**/*.test.ts"], restoreMocks: true },
});
