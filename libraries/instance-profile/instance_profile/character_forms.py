"""Old, new and variant forms of characters in names that compare as equal (QUA-05).

Sources: 常用漢字表 (Cabinet notice no. 2 of 2010) with its いわゆる康熙字典体, as far as Unicode encodes these
separately; NFKC maps those that are compatibility ideographs (神 U+FA19) to the form in use. Further, the same
differences in other characters of that table that Unicode encodes separately (教 and 敎), and variants in the names of
firms, people and places that the reduction tables (縮退) of registries map to the same form.

斉 and 斎, 島 and 嶋 are distinct to their bearers, but confused by others; they are equal here, because number and
password are asked for beside the name, and a roster is shown unchanged.

Each word is a group: its first character goes into the key and replaces the others.
"""

_TABLE_OF_COMMON_KANJI = """
亜亞 悪惡 圧壓 囲圍 医醫 為爲 壱壹 隠隱 栄榮 営營 衛衞 駅驛 円圓 塩鹽 縁緣 艶艷 応應 欧歐 殴毆
桜櫻 奥奧 横橫 温溫 穏穩 仮假 価價 画畫 会會 絵繪 壊壞 懐懷 概槪 拡擴 殻殼 覚覺 学學 岳嶽 楽樂
渇渴 缶罐 巻卷 陥陷 勧勸 寛寬 関關 歓歡 観觀 気氣 帰歸 亀龜 偽僞 戯戲 犠犧 旧舊 拠據 挙擧 虚虛
峡峽 挟挾 狭狹 郷鄕 暁曉 区區 駆驅 勲勳 薫薰 径徑 茎莖 恵惠 掲揭 渓溪 経經 蛍螢 軽輕 継繼 鶏鷄
芸藝 撃擊 欠缺 研硏 県縣 倹儉 剣劍劒劔剱 険險 圏圈 検檢 献獻 権權 顕顯 験驗 厳嚴 広廣 効效 恒恆
黄黃 鉱鑛 号號 国國圀囯 黒黑 砕碎 済濟 斎齋斉齊 剤劑 雑雜 参參叄 桟棧 蚕蠶 惨慘 賛贊 残殘 糸絲
歯齒 児兒 辞辭 湿濕溼 実實 写寫 舎舍 釈釋 寿壽 収收 従從 渋澁 獣獸 縦縱 粛肅 処處 叙敍敘 将將
称稱 焼燒 証證 奨奬獎 条條 状狀 乗乘 浄淨 剰剩 畳疊 縄繩 壌壤 嬢孃 譲讓 醸釀 触觸 嘱囑 真眞
寝寢 慎愼 尽盡 図圖 粋粹 酔醉 穂穗 随隨 髄髓 枢樞 数數 瀬瀨 声聲 静靜 摂攝 窃竊 専專 戦戰 浅淺
潜潛濳 践踐 銭錢 繊纖 禅禪 双雙 壮壯 争爭 荘莊 捜搜 挿插 巣巢 曽曾 痩瘦 装裝 総總 騒騷 増增
蔵藏 臓臟 即卽 属屬 続續 堕墮 対對 体體 帯帶 滞滯 台臺 滝瀧 択擇 沢澤 担擔 単單 胆膽 団團 弾彈
断斷 遅遲 痴癡 虫蟲 昼晝 鋳鑄 庁廳 徴徵 聴聽 勅敕 鎮鎭 逓遞 鉄鐵銕鐡 点點 転轉 伝傳 党黨 灯燈
当當 盗盜 稲稻 闘鬪鬭 徳德 独獨 読讀 届屆 弐貳 悩惱 脳腦 覇霸 拝拜 廃廢 売賣 麦麥 発發 髪髮
抜拔 蛮蠻 秘祕 浜濱濵 瓶甁 払拂 仏佛 併倂 並竝 餅餠 辺邊邉 変變 弁辨瓣辯辧 舗舖 宝寶寳 豊豐 没沒
翻飜 毎每 万萬 満滿 麺麵 黙默 弥彌 訳譯 薬藥 与與 予豫 余餘 誉譽 揺搖 様樣 謡謠 来來 頼賴 乱亂
覧覽 竜龍 両兩 猟獵 緑綠 涙淚 塁壘 礼禮 励勵 戻戾 霊靈 齢齡 恋戀 炉爐 労勞 郎郞 楼樓 録錄 湾灣
飲飮 教敎 強强 顔顏 器噐 既旣 説說 税稅 閲閱 脱脫 鋭銳 悦悅 姫姬 戸戶 産產 彦彥 青靑 清淸 緒緖
歩步 渉涉 内內 呉吳 娯娛 值値 絶絕 尚尙 晩晚 褒襃 暦曆 歴歷 錬鍊
"""

_VARIANTS_IN_NAMES = """
高髙 崎﨑嵜 島嶋嶌 富冨 吉𠮷 土圡 淵渕渊 桧檜 槙槇 巌巖 遥遙 薮藪 篭籠 竃竈 鴬鶯 鴎鷗 蛎蠣 峰峯
峨峩 秋穐龝 館舘 船舩 村邨 野埜 凑湊 亘亙 杯盃 略畧 群羣 裏裡 煙烟 涼凉 準凖 決决 沖冲 況况
減减 枡桝 梅楳 松枩梥 柏栢 桑桒 柳栁桺 芦蘆 鯵鰺 麹麴 祢禰 穣穰 尭堯 凛凜 萌萠 晃晄 昂昻 晋晉
毘毗 皐皋 衆眾 聡聰 歳歲 隣鄰 鉤鈎 恥耻 躯軀 賎賤 壷壺 昇曻 留畄 侠俠 倶俱 剥剝 呑吞 噛嚙 嘘噓
填塡 妍姸 屏屛 并幷 掴摑 掻搔 撹攪 梼檮 涛濤 溌潑 涜瀆 焔焰 祷禱 箪簞 繍繡 蝉蟬 蝋蠟 醤醬 頬頰
顛顚 鹸鹼 靱靭 迩邇 嚢囊 砺礪 莱萊 諌諫 頚頸 騨驒 蒋蔣 鉱礦 鑑鑒 喜㐂 禄祿 虎乕 雁鴈 瑶瑤 姉姊
柵栅 冊册 刃刄 駆駈 鉢缽 乗椉 梨棃 潟泻 熙煕凞 曹曺 宜冝 兎兔 厩廐廏 廠厰 検撿 答荅 攢攅 蕊蕋蘂
鐸鈬 鑪鈩 逃迯 叫呌 喩喻 冤寃 時旹 垂埀
"""

# ヶ and ヵ are small by custom, not by sound (霞ヶ関, 霞ケ関); ッ and ツ differ in sound and remain distinct.
_SMALL_KANA = "ケヶ カヵ"

# By code point, for `str.translate`.
FORM_IN_KEY: dict[int, str] = {
    ord(variant): group[0]
    for group in f"{_TABLE_OF_COMMON_KANJI} {_VARIANTS_IN_NAMES} {_SMALL_KANA}".split()
    for variant in group[1:]
}
