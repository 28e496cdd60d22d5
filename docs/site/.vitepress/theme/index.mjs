// The theme with the fonts of the reader's system: nothing to load, and Japanese is readable.
import theme from 'vitepress/theme-without-fonts';
import './reading.css';

export default theme;
