import type { SettingKey } from "./settings";
import { type RuleTyped, type Varied, isNumber, settingOf } from "./vary";

/** What varies over the runs that are being prepared: nothing makes one run, anything a sweep. Kept while the page is open. */
class Varying {
  all = $state<Varied[]>([]);
  isRandom = $state(false);
  trials = $state("12");
  seed = $state("1");
  rule = $state<RuleTyped>({ kind: "none", after: "1", eta: "3", firstStep: "10" });

  add(key: SettingKey): void {
    this.all.push({ key, text: "", isRange: this.isRandom && isNumber(settingOf(key)), low: "", high: "", scale: "log" });
  }

  remove(key: SettingKey): void {
    this.all = this.all.filter((varied) => varied.key !== key);
  }

  clear(): void {
    this.all = [];
    this.rule.kind = "none";
  }
}

export const varying = new Varying();
