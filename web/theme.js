/**
 * The remembered theme, before the first paint. A classic script on purpose: modules run too late,
 * and the page would flash in the other theme.
 */
(function applyRememberedTheme() {
  try {
    const theme = localStorage.getItem('frameway-theme');
    if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
  } catch {
    // Storage is switched off: the system's theme applies.
  }
})();
