// Before anything is drawn: the theme that was chosen here. Not a module, for those come later.
const theme = { key: "jobsched-theme", themes: ["system", "light", "dark"] };

theme.get = () => {
  try {
    const kept = localStorage.getItem(theme.key);
    return theme.themes.includes(kept) ? kept : "system";
  } catch {
    return "system"; // storage is forbidden here
  }
};

theme.set = (name) => {
  if (name === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = name;
  try {
    localStorage.setItem(theme.key, name);
  } catch {
    // it holds for this page only
  }
};

theme.set(theme.get());

document.addEventListener("DOMContentLoaded", () => {
  const button = document.getElementById("theme");
  if (!button) return;
  const show = () => (button.textContent = `Theme: ${theme.get()}`);
  button.addEventListener("click", () => {
    const { themes } = theme;
    theme.set(themes[(themes.indexOf(theme.get()) + 1) % themes.length]);
    show();
  });
  show();
  button.hidden = false;
});
